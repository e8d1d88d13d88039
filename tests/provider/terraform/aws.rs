//! The AWS provider, of protocol 5 with types of both kinds, against a stand-in for AWS.

use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

use gov::model::value::Value;
use gov::provider::Answer;
use gov::provider::Finding;
use gov::provider::LiveObject;
use gov::provider::Provider as _;
use gov::provider::terraform::governance::GovernanceTable;
use gov::provider::terraform::install::mirror;
use gov::provider::terraform::install::mirror::Mirror;
use gov::provider::terraform::process;
use gov::provider::terraform::process::Opening;
use gov::provider::terraform::schema_cache::SchemaCache;
use serde_json::Value as Json;
use serde_json::json;

use crate::provider::terraform::desk::Desk;
use crate::provider::terraform::desk::forced;
use crate::provider::terraform::desk::opening;
use crate::provider::terraform::desk::text;
use crate::provider::terraform::desk::value;
use crate::provider::terraform::path_from;
use crate::provider::terraform::say;
use crate::provider::terraform::whole::Whole;

const TABLE: &str = include_str!("../../../providers/aws/governance.toml");

const RESOURCES: [&str; 12] = [
    "aws_vpc",
    "aws_subnet",
    "aws_security_group",
    "aws_iam_role",
    "aws_s3_bucket",
    "aws_cloudwatch_log_group",
    "aws_ssm_parameter",
    "aws_dynamodb_table",
    "aws_vpc_security_group_ingress_rule",
    "aws_iam_policy",
    "aws_s3_bucket_versioning",
    "aws_kms_key",
];

const DATA: [&str; 3] = ["aws_vpc", "aws_caller_identity", "aws_iam_policy_document"];

/// A stand-in for AWS, ended when dropped.
struct Moto {
    child: Child,
    endpoint: String,
}

impl Moto {
    fn start(program: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut moto = Self { child, endpoint: format!("http://127.0.0.1:{port}") };
        // A minute: it imports a great deal, and the machine may be busy.
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return moto;
            }
            assert!(moto.child.try_wait().unwrap().is_none(), "the stand-in for AWS has ended");
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the stand-in for AWS does not answer");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A configured provider and the cloud that it talks to.
struct Cloud {
    desk: Desk,
    _moto: Moto,
    cache: tempfile::TempDir,
}

/// What to open, with the cloud behind it.
fn plugin(test: &str, cache: &Path) -> Option<(Opening, Moto)> {
    let folder = path_from("GOV_TEST_PLUGIN_MIRROR", test)?;
    let moto = path_from("GOV_TEST_MOTO", test)?;
    let source = "hashicorp/aws".parse().unwrap();
    let constraint = "~> 5.0".parse().unwrap();
    let found = mirror::find(&[Mirror::of(folder)], &source, &constraint, &mirror::platform());
    let installed = match found {
        Ok(installed) => installed,
        Err(error) => {
            say(&format!("SKIPPED: {test}: {error}"));
            return None;
        }
    };
    let moto = Moto::start(&moto);
    let mut opening = opening(&installed.program, &RESOURCES, &DATA);
    opening.variables = [
        ("AWS_ENDPOINT_URL", moto.endpoint.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    opening.table = GovernanceTable::parse(TABLE).unwrap().into();
    opening.cache = Some(SchemaCache { folder: cache.to_owned() });
    Some((opening, moto))
}

async fn cloud(test: &str) -> Option<Cloud> {
    let cache = tempfile::tempdir().unwrap();
    let (opening, moto) = plugin(test, cache.path())?;
    let config = json!({
        "region": "us-east-1",
        "s3_use_path_style": true,
        "skip_credentials_validation": true,
        "skip_metadata_api_check": true,
        "skip_region_validation": true,
    });
    Some(Cloud { desk: Desk::open(opening, config).await, _moto: moto, cache })
}

/// Create, read, nothing to do, update, nothing to do.
async fn live(desk: &Desk, kind: &str, first: Json, second: Json) -> LiveObject {
    let made = desk.create(kind, first.clone()).await;
    let observed = desk.settled(kind, first, &made).await;
    let changed = desk.update(kind, second.clone(), &observed).await;
    let observed = desk.settled(kind, second, &changed).await;
    say(&format!("LIVED: {kind}"));
    observed
}

/// Deletes an object and looks whether it is gone.
async fn die(desk: &Desk, kind: &str, object: &LiveObject) {
    desk.delete(kind, object).await;
    assert!(desk.refresh(kind, object).await.is_none(), "{kind} is still there");
}

/// G10 too: what AWS answers carries the tags that travelled in the create call.
fn g10_is_tagged(object: &LiveObject) {
    let tag = |name: &str| object.value.get("tags_all").and_then(|tags| tags.get(name)).cloned();
    assert_eq!(tag("gov:owner"), Some(Value::string("ann@example.com")));
    let purpose = "to see _with care_ that tags_ in free words_ fit";
    assert_eq!(tag("gov:purpose"), Some(Value::string(purpose)));
}

#[tokio::test]
async fn networks_live_and_die() {
    let Some(cloud) = cloud("the life of networks").await else { return };
    let desk = &cloud.desk;
    let network = |name: &str| json!({ "cidr_block": "10.0.0.0/16", "tags": { "Name": name } });
    let vpc = live(desk, "aws_vpc", network("one"), network("two")).await;
    g10_is_tagged(&vpc);
    let found = desk.read_data("aws_vpc", json!({ "id": text(&vpc, "id") })).await;
    assert_eq!(found.get("cidr_block"), Some(&Value::string("10.0.0.0/16")));

    let vpc_id = text(&vpc, "id").to_owned();
    let subnet = |public: bool| {
        json!({
            "vpc_id": vpc_id,
            "cidr_block": "10.0.1.0/24",
            "map_public_ip_on_launch": public,
            "timeouts": { "create": "5m" },
        })
    };
    let subnet_made = live(desk, "aws_subnet", subnet(false), subnet(true)).await;
    assert!(desk.facts("aws_subnet", &subnet_made.value).classes.contains("expose-public"));
    let moved = json!({ "vpc_id": vpc_id, "cidr_block": "10.0.2.0/24" });
    let config = desk.config("aws_subnet", moved);
    let proposal = desk.propose("aws_subnet", Some(&subnet_made), &config).await.unwrap();
    let paths: Vec<String> =
        forced(&subnet_made, &proposal).iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["cidr_block"], "it forces a replacement");

    let group = |ports: &[i64], from: &str| {
        let rule = |port: &i64| {
            json!({
                "from_port": port, "to_port": port, "protocol": "tcp", "cidr_blocks": [from],
                "description": "", "ipv6_cidr_blocks": [], "prefix_list_ids": [],
                "security_groups": [], "self": false,
            })
        };
        let rules: Vec<Json> = ports.iter().map(rule).collect();
        json!({ "name": "web", "vpc_id": vpc_id, "ingress": rules })
    };
    let kind = "aws_security_group";
    let first = group(&[80, 443], "10.0.0.0/8");
    let group_made = live(desk, kind, first, group(&[443, 8443], "0.0.0.0/0")).await;
    let facts = desk.facts(kind, &group_made.value);
    assert!(facts.classes.contains("expose-public"), "{facts:?}");
    assert_eq!(facts.region.as_deref(), Some("us-east-1"));

    let group_id = text(&group_made, "id").to_owned();
    let rule = |to: i64| {
        json!({
            "security_group_id": group_id, "cidr_ipv4": "10.1.0.0/16",
            "from_port": 22, "to_port": to, "ip_protocol": "tcp",
        })
    };
    let kind = "aws_vpc_security_group_ingress_rule";
    let rule_made = live(desk, kind, rule(22), rule(23)).await;
    die(desk, kind, &rule_made).await;
    die(desk, "aws_security_group", &group_made).await;
    die(desk, "aws_subnet", &subnet_made).await;
    die(desk, "aws_vpc", &vpc).await;
}

fn role(name: &str, description: &str) -> Json {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": { "Service": "ec2.amazonaws.com" },
        }],
    });
    json!({ "name": name, "description": description, "assume_role_policy": policy.to_string() })
}

#[tokio::test]
async fn identities_and_storage_live_and_die() {
    let Some(cloud) = cloud("the life of identities and storage").await else { return };
    let desk = &cloud.desk;
    let kind = "aws_iam_role";
    let made = live(desk, kind, role("r", "one"), role("r", "two")).await;
    g10_is_tagged(&made);
    assert!(desk.facts(kind, &made.value).classes.contains("change-identity"));
    let imported = desk.import(kind, "r").await.unwrap().unwrap();
    assert_eq!(text(&imported, "arn"), text(&made, "arn"));
    die(desk, kind, &made).await;

    let policy = |action: &str| {
        let statement = json!([{ "Effect": "Allow", "Action": action, "Resource": "*" }]);
        let document = json!({ "Version": "2012-10-17", "Statement": statement });
        json!({ "name": "p", "policy": document.to_string() })
    };
    let kind = "aws_iam_policy";
    let made = live(desk, kind, policy("s3:Get*"), policy("s3:List*")).await;
    die(desk, kind, &made).await;

    let kind = "aws_s3_bucket";
    let bucket = |destroy: bool| json!({ "bucket": "gov-bucket-one", "force_destroy": destroy });
    let made = live(desk, kind, bucket(false), bucket(true)).await;
    g10_is_tagged(&made);
    assert!(desk.facts(kind, &made.value).bears_data);
    let versioning = |status: &str| {
        json!({
            "bucket": "gov-bucket-one",
            "versioning_configuration": [{ "status": status }],
        })
    };
    let inner = "aws_s3_bucket_versioning";
    let settings = live(desk, inner, versioning("Enabled"), versioning("Suspended")).await;
    desk.delete(inner, &settings).await;
    die(desk, kind, &made).await;

    let kind = "aws_dynamodb_table";
    let table = |protect: bool| {
        json!({
            "name": "t", "billing_mode": "PAY_PER_REQUEST", "hash_key": "id",
            "attribute": [{ "name": "id", "type": "S" }],
            "point_in_time_recovery": [{ "enabled": protect }],
        })
    };
    let made = live(desk, kind, table(false), table(true)).await;
    die(desk, kind, &made).await;
}

#[tokio::test]
async fn logs_keys_and_parameters_live_and_die() {
    let Some(cloud) = cloud("the life of logs, keys and parameters").await else { return };
    let desk = &cloud.desk;
    let kind = "aws_cloudwatch_log_group";
    let group = |days: i64| json!({ "name": "g", "retention_in_days": days });
    let made = live(desk, kind, group(1), group(7)).await;
    die(desk, kind, &made).await;

    let kind = "aws_kms_key";
    let key = |text: &str| json!({ "description": text, "deletion_window_in_days": 7 });
    let made = live(desk, kind, key("one"), key("two")).await;
    desk.delete(kind, &made).await;

    let kind = "aws_ssm_parameter";
    let parameter = |value: &str| json!({ "name": "/p", "type": "SecureString", "value": value });
    let made = live(desk, kind, parameter("hunter2"), parameter("hunter3")).await;
    assert!(!format!("{:?}", made.value).contains("hunter"), "{:?}", made.value);
    die(desk, kind, &made).await;

    // What may only be sent is sent, and never comes back.
    let sent = |value: &str, version: i64| {
        json!({
            "name": "/wo", "type": "String", "value_wo": value, "value_wo_version": version,
        })
    };
    let made = live(desk, kind, sent("secret-1", 1), sent("secret-2", 2)).await;
    assert!(made.value.get("value_wo").unwrap().is_null());
    let imported = desk.import(kind, "/wo").await.unwrap().unwrap();
    assert!(imported.value.get("value").unwrap().is_sensitive());
    assert_eq!(text(&imported, "value"), "secret-2");
    die(desk, kind, &made).await;
}

#[tokio::test]
async fn planner_and_machine_work_with_it() {
    let cache = tempfile::tempdir().unwrap();
    let Some((opening, _moto)) = plugin("planner and machine on AWS", cache.path()) else { return };
    let provider = process::open(opening).await.unwrap();
    let kinds = ["aws_cloudwatch_log_group", "aws_kms_key", "aws_s3_bucket", "aws_security_group"];
    Whole::new(provider, &kinds).lives_and_dies().await;
}

#[tokio::test]
async fn a_lost_create_is_found_by_its_name_and_tags() {
    let Some(mut cloud) = cloud("finding what a lost create made").await else { return };
    let kind = "aws_iam_role";
    let config = cloud.desk.config(kind, role("lost", "x"));
    let proposal = cloud.desk.propose(kind, None, &config).await.unwrap();
    assert_eq!(cloud.desk.find(kind, &proposal.planned).await, Finding::Absent);

    let made = cloud.desk.create(kind, role("lost", "x")).await;
    let Finding::Approximate(found) = cloud.desk.find(kind, &proposal.planned).await else {
        panic!("it is there");
    };
    assert_eq!(text(&found, "arn"), text(&made, "arn"));
    cloud.desk.settled(kind, role("lost", "x"), &found).await;

    cloud.desk.belongs_to("bob@example.com");
    let config = cloud.desk.config(kind, role("lost", "x"));
    let other = cloud.desk.propose(kind, None, &config).await.unwrap();
    let finding = cloud.desk.find(kind, &other.planned).await;
    assert!(matches!(finding, Finding::CannotTell(why) if why.contains("tags")));
    die(&cloud.desk, kind, &found).await;

    for (kind, written) in [
        ("aws_s3_bucket", json!({ "bucket": "gov-lost-bucket" })),
        ("aws_cloudwatch_log_group", json!({ "name": "lost" })),
        ("aws_ssm_parameter", json!({ "name": "/lost", "type": "String", "value": "v" })),
    ] {
        let config = cloud.desk.config(kind, written.clone());
        let proposal = cloud.desk.propose(kind, None, &config).await.unwrap();
        assert_eq!(cloud.desk.find(kind, &proposal.planned).await, Finding::Absent, "{kind}");
        cloud.desk.create(kind, written.clone()).await;
        let finding = cloud.desk.find(kind, &proposal.planned).await;
        let Finding::Approximate(found) = finding else { panic!("{kind}: {finding:?}") };
        let observed = cloud.desk.settled(kind, written, &found).await;
        die(&cloud.desk, kind, &observed).await;
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "IO: looks into the cache")]
async fn refusals_say_where_and_partial_results_are_kept() {
    let Some(cloud) = cloud("refusals of the AWS provider").await else { return };
    let desk = &cloud.desk;
    let kept = std::fs::read_dir(cloud.cache.path()).unwrap().count();
    assert_eq!(kept, 1, "the provider lets its schemas be kept");
    let offer = desk.provider.offer();
    assert_eq!(offer.resources.len(), RESOURCES.len(), "only what is in use is decoded");

    let wrong = desk.config("aws_vpc", json!({ "cidr_block": "10.0.0.0/99" }));
    let failure = desk.validate("aws_vpc", false, &wrong).await.unwrap_err();
    assert_eq!(failure.remarks[0].path.to_string(), "cidr_block", "{failure}");
    let failure = desk.propose("aws_vpc", None, &wrong).await.unwrap_err();
    assert_eq!(failure.remarks[0].path.to_string(), "cidr_block", "it was never validated");

    let identity = desk.read_data("aws_caller_identity", json!({})).await;
    assert_eq!(identity.get("account_id"), Some(&Value::string("123456789012")));
    let document = desk
        .read_data(
            "aws_iam_policy_document",
            json!({ "statement": [{ "actions": ["s3:*"], "resources": ["*"] }] }),
        )
        .await;
    assert!(document.get("json").and_then(Value::as_str).unwrap().contains("s3:*"));

    // A configuration with a part that only applying tells, then whole: another process.
    let first = desk.provider.plugin().id();
    let config = json!({ "region": "us-west-2", "skip_credentials_validation": true });
    assert!(desk.configure(config).await.is_ok());
    assert_ne!(desk.provider.plugin().id(), first);
    let written = json!({ "name": "west" });
    let made = desk.create("aws_cloudwatch_log_group", written).await;
    assert!(text(&made, "arn").contains("us-west-2"));

    // A second table of the same name is refused by the cloud and is not there afterwards.
    let written = json!({ "name": "twice" });
    let kind = "aws_cloudwatch_log_group";
    let made = desk.create(kind, written.clone()).await;
    let config = desk.config(kind, written);
    let proposal = desk.propose(kind, None, &config).await.unwrap();
    let reply = desk.apply(kind, None, &proposal.planned, &proposal.private, &config).await;
    let failure = reply.map(|answer: Answer| panic!("{answer:?}")).unwrap_err();
    assert_eq!(failure.partial, None, "{failure}");
    die(desk, kind, &made).await;
    assert_eq!(value(json!([1.5])), Value::list(vec![value(json!(1.5))]));
}
