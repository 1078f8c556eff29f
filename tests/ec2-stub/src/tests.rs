//! The stub is only worth something if it refuses what the real service refuses.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cloud::{Call, Cloud};
use crate::params::Params;
use crate::{Fault, Kind, Lag, Options, Stub, When};

/// A cloud with a clock of its own.
struct Bench {
    cloud: Cloud,
    now: Instant,
}

impl Bench {
    fn new(options: Options) -> Self {
        Self { cloud: Cloud::new(Options { seed: Some(7), ..options }), now: Instant::now() }
    }

    fn call(&mut self, action: &str, parameters: &[(&str, &str)]) -> Result<String, String> {
        self.call_in("stub-1", action, parameters)
    }

    /// The answer, or the code of the error.
    fn call_in(&mut self, region: &str, action: &str, parameters: &[(&str, &str)]) -> Result<String, String> {
        let all = [("Action", action)].into_iter().chain(parameters.iter().copied());
        let params = Params(all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect());
        self.cloud.answer(&Call { region, params: &params, now: self.now }).map_err(|error| error.code)
    }

    fn run(&mut self, further: &[(&str, &str)]) -> Result<String, String> {
        let mut parameters = vec![
            ("ImageId", "ami-12345678"),
            ("InstanceType", "t2.micro"),
            ("MinCount", "1"),
            ("MaxCount", "1"),
        ];
        parameters.retain(|(name, _)| !further.iter().any(|(other, _)| other == name));
        parameters.extend(further);
        self.call("RunInstances", &parameters)
    }

    /// Makes one instance and returns its id.
    fn make(&mut self) -> String {
        texts(&self.run(&[]).unwrap(), "instanceId").remove(0)
    }

    fn describe(&mut self) -> String {
        self.call("DescribeInstances", &[]).unwrap()
    }
}

/// The contents of all elements called `name`.
fn texts(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open)
        .skip(1)
        .filter_map(|rest| rest.split_once(&close))
        .map(|(text, _)| text.to_owned())
        .collect()
}

/// The state names in an answer of `DescribeInstances`.
fn states(xml: &str) -> Vec<String> {
    texts(xml, "instanceState").iter().map(|state| texts(state, "name").remove(0)).collect()
}

#[test]
fn what_does_not_exist_is_refused() {
    let mut bench = Bench::new(Options::default());
    let big = "QUFB".repeat(5462);
    for (parameter, code) in [
        (("ImageId", "ami-99999999"), "InvalidAMIID.NotFound"),
        (("ImageId", "ubuntu"), "InvalidAMIID.Malformed"),
        (("ImageId", ""), "MissingParameter"),
        (("InstanceType", "huge"), "InvalidParameterValue"),
        (("KeyName", "nobody"), "InvalidKeyPair.NotFound"),
        (("SubnetId", "subnet-0"), "InvalidSubnetID.NotFound"),
        (("SecurityGroupId.1", "sg-0"), "InvalidGroup.NotFound"),
        (("UserData", "%%%"), "InvalidUserData.Malformed"),
        (("UserData", big.as_str()), "InvalidParameterValue"),
        (("MaxCount", "0"), "InvalidParameterValue"),
        (("MinCount", "2"), "InvalidParameterValue"),
        (("Colour", "red"), "UnknownParameter"),
    ] {
        assert_eq!(bench.run(&[parameter]), Err(code.to_owned()), "{}", parameter.0);
    }
    assert!(bench.cloud.audit().as_array().unwrap().is_empty(), "a refused call makes nothing");
    assert_eq!(bench.call("Reboot", &[]), Err("InvalidAction".to_owned()));
}

#[test]
fn a_token_is_answered_with_its_first_instance_even_when_that_is_dead() {
    let options = Options { terminated: Lag::Calls(0), shutting_down: Lag::Calls(0), ..Options::default() };
    let mut bench = Bench::new(options);
    let token = ("ClientToken", "token-1");
    let first = texts(&bench.run(&[token]).unwrap(), "instanceId");
    assert_eq!(texts(&bench.run(&[token]).unwrap(), "instanceId"), first);
    assert_eq!(bench.run(&[token, ("KeyName", "stub-key")]), Err("IdempotentParameterMismatch".to_owned()));
    bench.call("TerminateInstances", &[("InstanceId.1", &first[0])]).unwrap();
    assert_eq!(states(&bench.describe()), ["terminated"]);
    assert!(states(&bench.describe()).is_empty(), "a dead instance is forgotten after a while");
    let answer = bench.run(&[token]).unwrap();
    assert_eq!(texts(&answer, "instanceId"), first);
    assert_eq!(states(&answer), ["terminated"]);
    assert_eq!(bench.cloud.audit().as_array().unwrap().len(), 1);
}

#[test]
fn the_instances_of_a_call_are_numbered_and_made_all_or_none() {
    let mut bench = Bench::new(Options { capacity: 4, ..Options::default() });
    let three = [("MinCount", "3"), ("MaxCount", "3"), ("ClientToken", "token-1")];
    let answer = bench.run(&three).unwrap();
    assert_eq!(texts(&answer, "amiLaunchIndex"), ["0", "1", "2"]);
    let listed = bench.describe();
    assert_eq!(texts(&listed, "amiLaunchIndex"), ["0", "1", "2"]);
    assert_eq!(texts(&listed, "reservationId"), texts(&answer, "reservationId"));
    assert_eq!(texts(&bench.run(&three).unwrap(), "instanceId"), texts(&answer, "instanceId"));
    let two = [("MinCount", "2"), ("MaxCount", "2")];
    assert_eq!(bench.run(&two), Err("InstanceLimitExceeded".to_owned()));
    assert_eq!(bench.cloud.audit().as_array().unwrap().len(), 3, "none was made");
    let some = bench.run(&[("MinCount", "1"), ("MaxCount", "2")]).unwrap();
    assert_eq!(texts(&some, "amiLaunchIndex"), ["0"], "as many as there is room for");
}

#[test]
fn tags_can_be_changed_later() {
    let mut bench = Bench::new(Options::default());
    let id = bench.make();
    let tag = |id: &'static str| [("ResourceId.1", id), ("Tag.1.Key", "Name"), ("Tag.1.Value", "web")];
    let known = [("ResourceId.1", id.as_str()), ("Tag.1.Key", "Name"), ("Tag.1.Value", "web")];
    bench.call("CreateTags", &known).unwrap();
    assert_eq!(texts(&bench.describe(), "value"), ["web"]);
    let unknown = bench.call("CreateTags", &tag("i-00000000"));
    assert_eq!(unknown, Err("InvalidInstanceID.NotFound".to_owned()));
}

#[test]
fn an_instance_is_hidden_then_pending_then_running() {
    let options = Options { hidden: Lag::Calls(1), pending: Lag::Calls(2), ..Options::default() };
    let mut bench = Bench::new(options);
    bench.make();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(states(&bench.describe()).concat());
    }
    assert_eq!(seen, ["", "pending", "pending", "running"]);
}

#[test]
fn delays_can_be_times() {
    let options = Options { pending: Lag::Time(Duration::from_secs(5)), ..Options::default() };
    let mut bench = Bench::new(options);
    bench.make();
    assert_eq!(states(&bench.describe()), ["pending"]);
    bench.now += Duration::from_secs(5);
    let answer = bench.describe();
    assert_eq!(states(&answer), ["running"]);
    assert_eq!(texts(&answer, "ipAddress").len(), 1, "it has a public address once it runs");
}

#[test]
fn one_unknown_id_fails_the_whole_call() {
    let mut bench = Bench::new(Options::default());
    let id = bench.make();
    let both = [("InstanceId.1", id.as_str()), ("InstanceId.2", "i-00000000")];
    for action in ["DescribeInstances", "TerminateInstances"] {
        assert_eq!(bench.call(action, &both), Err("InvalidInstanceID.NotFound".to_owned()));
    }
    assert_eq!(states(&bench.describe()), ["running"], "the known one was not terminated");
    assert_eq!(
        bench.call("DescribeInstances", &[("InstanceId.1", "nonsense")]),
        Err("InvalidInstanceID.Malformed".to_owned())
    );
}

#[test]
fn a_filter_misses_unknown_ids_silently_and_takes_two_hundred_values() {
    let mut bench = Bench::new(Options::default());
    let id = bench.make();
    let names: Vec<String> = (1..=201).map(|index| format!("Filter.1.Value.{index}")).collect();
    let filter = |count: usize| {
        let values = names.iter().take(count).enumerate();
        [("Filter.1.Name", "instance-id")]
            .into_iter()
            .chain(values.map(|(index, name)| (name.as_str(), if index == 0 { id.as_str() } else { "i-0" })))
            .collect::<Vec<_>>()
    };
    let answer = bench.call("DescribeInstances", &filter(200)).unwrap();
    assert_eq!(texts(&answer, "instanceId").concat(), id);
    assert_eq!(bench.call("DescribeInstances", &filter(201)), Err("FilterLimitExceeded".to_owned()));
    assert_eq!(
        bench.call("DescribeInstances", &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")]),
        Err("InvalidParameterValue".to_owned())
    );
}

#[test]
fn a_page_has_at_most_a_thousand_instances() {
    let mut bench = Bench::new(Options::default());
    bench.run(&[("MaxCount", "1001")]).unwrap();
    let first = bench.describe();
    assert_eq!(texts(&first, "instanceId").len(), 1000);
    let token = texts(&first, "nextToken").remove(0);
    let second = bench.call("DescribeInstances", &[("NextToken", &token)]).unwrap();
    assert_eq!(texts(&second, "instanceId").len(), 1);
    assert!(texts(&second, "nextToken").is_empty());
    let id = texts(&second, "instanceId").remove(0);
    assert_eq!(
        bench.call("DescribeInstances", &[("InstanceId.1", &id), ("MaxResults", "5")]),
        Err("InvalidParameterCombination".to_owned())
    );
    assert_eq!(
        bench.call("DescribeInstances", &[("MaxResults", "1001")]),
        Err("InvalidParameterValue".to_owned())
    );
}

#[test]
fn regions_are_apart() {
    let mut bench = Bench::new(Options::default());
    let id = bench.make();
    let other = bench.call_in("stub-2", "DescribeInstances", &[]).unwrap();
    assert!(texts(&other, "instanceId").is_empty());
    assert_eq!(
        bench.call_in("stub-2", "TerminateInstances", &[("InstanceId.1", &id)]),
        Err("InvalidInstanceID.NotFound".to_owned())
    );
}

#[test]
fn tags_are_kept_and_filtered_by() {
    let mut bench = Bench::new(Options::default());
    let tag = |kind| {
        [
            ("TagSpecification.1.ResourceType", kind),
            ("TagSpecification.1.Tag.1.Key", "colour"),
            ("TagSpecification.1.Tag.1.Value", "r<d"),
        ]
    };
    assert_eq!(bench.run(&tag("planet")), Err("InvalidParameterValue".to_owned()));
    bench.run(&tag("instance")).unwrap();
    bench.make();
    let filter = [("Filter.1.Name", "tag:colour"), ("Filter.1.Value.1", "r<d")];
    let answer = bench.call("DescribeInstances", &filter).unwrap();
    assert_eq!(texts(&answer, "instanceId").len(), 1);
    assert_eq!(texts(&answer, "value"), ["r&lt;d"]);
}

const DESCRIBE: &str = "Action=DescribeInstances&Version=2016-11-15";

/// The raw answer to a POST signed with `key`; empty if the connection broke.
async fn post(stub: &Stub, path: &str, key: Option<&str>, body: &str) -> String {
    let address = stub.endpoint().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let signed = key.map_or(String::new(), |key| {
        format!(
            "Authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/stub-1/ec2/aws4_request, Signature=0\r\n\
             X-Amz-Date: 20260101T000000Z\r\n"
        )
    });
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: stub\r\nConnection: close\r\n{signed}\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn only_known_keys_get_in() {
    let stub = Stub::start(Options::default()).await.unwrap();
    assert!(post(&stub, "/", Some("AKIDSTUB"), DESCRIBE).await.starts_with("HTTP/1.1 200"));
    assert!(post(&stub, "/services/cloud", Some("AKIDSTUB"), DESCRIBE).await.contains("reservationSet"));
    assert!(post(&stub, "/", Some("NOBODY"), DESCRIBE).await.contains("AuthFailure"));
    assert!(post(&stub, "/", None, DESCRIBE).await.contains("MissingAuthenticationToken"));
    let old = "Action=DescribeInstances&Version=2014-10-01";
    assert!(post(&stub, "/", Some("AKIDSTUB"), old).await.contains("NoSuchVersion"));
    assert_eq!(stub.calls("DescribeInstances"), 5);
}

#[tokio::test]
async fn faults_come_before_or_after_the_effect() {
    let stub = Stub::start(Options::default()).await.unwrap();
    let run = "Action=RunInstances&Version=2016-11-15&ImageId=ami-12345678&InstanceType=t2.micro\
               &MinCount=1&MaxCount=1";
    let order = r#"{"operation": "RunInstances", "when": "before", "kind": "http500"}"#;
    assert!(post(&stub, "/_stub/faults", None, order).await.starts_with("HTTP/1.1 204"));
    assert!(post(&stub, "/", Some("AKIDSTUB"), run).await.starts_with("HTTP/1.1 500"));
    assert_eq!(stub.instances().len(), 0);
    stub.inject(Fault {
        operation: "RunInstances".to_owned(),
        when: When::After,
        kind: Kind::Drop,
        skip: 0,
        count: 1,
    });
    assert_eq!(post(&stub, "/", Some("AKIDSTUB"), run).await, "", "the connection breaks without an answer");
    assert_eq!(stub.instances().len(), 1);
    assert!(post(&stub, "/", Some("AKIDSTUB"), run).await.starts_with("HTTP/1.1 200"), "once means once");
    let wrong = r#"{"operation": "RunInstances", "when": "sometime", "kind": "http500"}"#;
    assert!(post(&stub, "/_stub/faults", None, wrong).await.starts_with("HTTP/1.1 400"));
}
