use serde_json::json;

use super::*;
use crate::clock::SystemClock;
use crate::sample;

struct Fixed;

impl SecretSource for Fixed {
    fn read(&self, reference: &SecretRef) -> Result<String, SecretError> {
        match reference {
            SecretRef::Env(name) if name == "TEMPLATE" => Ok("a{{ variables }}".to_owned()),
            SecretRef::Env(name) if name == "SHORT" => Ok("abc".to_owned()),
            SecretRef::Env(name) if name == "GONE" => Err(SecretError::new(reference, "not set")),
            other => Ok(format!("value of {other}")),
        }
    }
}

fn secrets() -> Secrets {
    Secrets::new(Arc::new(Fixed), Redactor::default())
}

fn instance(variables: Value, health: Value) -> (Node, Implementation) {
    let node = Node { variables: variables.as_object().unwrap().clone(), ..sample::node("n", 1, 1) };
    let implementation =
        Implementation { health_check: health.as_object().cloned(), ..sample::implementation("sim") };
    (node, implementation)
}

#[tokio::test]
async fn references_are_filled_in_and_hidden_from_then_on() {
    let secrets = secrets();
    let (node, implementation) = instance(json!({"a": {"!secret": "env:A"}, "b": 1}), json!({}));
    let (filled, _) = secrets.instance(&SystemClock, &node, &implementation).await.unwrap();
    assert_eq!(json!(filled.variables), json!({"a": "value of env:A", "b": 1}));
    assert_eq!(secrets.redactor().text("value of env:A"), "<secret env:A>");
}

#[tokio::test]
async fn nothing_is_copied_where_there_is_nothing_to_fill_in() {
    let (node, implementation) = instance(json!({"b": 1}), json!({}));
    let filled = secrets().instance(&SystemClock, &node, &implementation).await.unwrap();
    assert!(matches!(filled, (Cow::Borrowed(_), Cow::Borrowed(_))));
}

#[tokio::test]
async fn one_missing_secret_fails_the_instance_and_is_named() {
    let (node, implementation) = instance(json!({"a": [{"!secret": "env:GONE"}]}), json!({}));
    let error = secrets().instance(&SystemClock, &node, &implementation).await.unwrap_err();
    assert_eq!(error.to_string(), "the secret env:GONE cannot be read: not set");
}

#[test]
fn what_is_too_short_to_be_hidden_is_refused() {
    let error = secrets().read(&SecretRef::Env("SHORT".to_owned())).unwrap_err().to_string();
    assert!(error.contains("choose a longer one") && !error.contains("abc"), "{error}");
}

#[tokio::test]
async fn a_health_check_needs_only_the_secrets_it_names() {
    let variables = json!({"unused": {"!secret": "env:GONE"}, "token": {"!secret": "env:T"}});
    let health =
        json!({"urls": ["http://{{ip}}/{{variables.token}}"], "mysqldbs": [{"pass": {"!secret": "env:P"}}]});
    let (node, implementation) = instance(variables, health);
    let (node, implementation) = secrets().health(&SystemClock, &node, &implementation).await.unwrap();
    assert_eq!(node.variables["token"], json!("value of env:T"));
    assert_eq!(implementation.health().mysqldbs[0].2, "value of env:P");
}

#[tokio::test]
async fn a_secret_is_never_taken_for_a_template() {
    let template = json!({"!secret": "env:TEMPLATE"});
    let (node, implementation) = instance(json!({"a": template}), json!({}));
    assert!(secrets().instance(&SystemClock, &node, &implementation).await.is_ok());
    let (node, implementation) = instance(json!({}), json!({"urls": [template]}));
    let error = secrets().instance(&SystemClock, &node, &implementation).await.unwrap_err().to_string();
    assert!(error.contains("put it into a variable") && !error.contains("a{{ variables"), "{error}");
}
