use occopus_engine::handler::Identity;
use occopus_engine::ids::Slot;
use serde_json::json;

use super::*;

fn request(further: Value) -> CreateRequest {
    let mut resource = json!({"type": "ec2", "image_id": "ami-12345678", "instance_type": "t2.micro"});
    let further = further.as_object().unwrap().clone();
    resource.as_object_mut().unwrap().extend(further);
    CreateRequest {
        identity: Identity {
            store: "store".into(),
            infra: "0123456789".into(),
            slot: Slot::new("worker", 2),
            node_id: "abcdefghij".into(),
            attempt: "attempt-1".into(),
        },
        infra_name: "ping".to_owned(),
        resource: resource.as_object().unwrap().clone(),
        context: None,
        attributes: serde_json::Map::new(),
    }
}

fn problem(request: &CreateRequest) -> String {
    let error = Launch::new(request).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Invalid);
    error.message
}

#[test]
fn optional_keys_may_be_absent_null_or_empty() {
    let launch =
        Launch::new(&request(json!({"key_name": null, "subnet_id": "", "security_group_ids": null})))
            .ok()
            .unwrap();
    assert_eq!(launch.token, "attempt-1");
    assert!(launch.key_name.is_none() && launch.subnet_id.is_none() && launch.user_data.is_none());
    assert!(launch.security_group_ids.is_empty());
}

#[test]
fn wrong_keys_are_named() {
    assert_eq!(
        problem(&request(json!({"image_id": null}))),
        "ec2 resource of worker/2: the key 'image_id' is missing or empty; give it a value"
    );
    assert!(problem(&request(json!({"security_group_ids": "sg-1"}))).contains("'security_group_ids'"));
    assert!(problem(&request(json!({"tags": {"a": ["b"]}}))).contains("'tags'"));
    assert!(
        problem(&request(json!({"tags": {"occopus.store": "mine"}}))).contains("'occopus.store' is reserved")
    );
}

#[test]
fn an_instance_is_named_as_before_unless_the_user_names_it() {
    let name = |tags| Launch::new(&request(json!({"tags": tags}))).ok().unwrap().tags["Name"].clone();
    assert_eq!(name(json!(null)), "occopus-ping-01234567-worker-abcdefgh");
    assert_eq!(name(json!({"Name": "mine"})), "mine");
}

#[test]
fn tags_are_a_mapping_or_pairs() {
    for tags in [
        json!({"team": "research", "cost": 7}),
        json!([{"team": "research"}, {"cost": 7}]),
        json!([["team", "research"], ["cost", 7]]),
        json!([{"Key": "team", "Value": "research"}, {"key": "cost", "value": "7"}]),
    ] {
        let launch = Launch::new(&request(json!({"tags": tags}))).ok().unwrap();
        assert_eq!(launch.tags["team"], "research");
        assert_eq!(launch.tags["cost"], "7");
        assert_eq!(launch.tags["occopus.slot"], "worker/2");
    }
}

#[test]
fn user_data_has_a_limit() {
    let with = |length: usize| CreateRequest { context: Some("x".repeat(length)), ..request(json!({})) };
    let launch = Launch::new(&with(USER_DATA_BYTES)).ok().unwrap();
    assert_eq!(base64::decode(launch.user_data.unwrap()).unwrap().len(), USER_DATA_BYTES);
    assert!(problem(&with(USER_DATA_BYTES + 1)).contains("16385 bytes"));
}
