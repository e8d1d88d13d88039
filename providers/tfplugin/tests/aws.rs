//! The largest provider there is, of protocol 5, without any access to its cloud.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Instant;

use tfplugin::Protocol;
use tfplugin::client::Client;
use tfplugin::client::SchemaDocument;
use tfplugin::process::Launch;
use tfplugin::process::LogEvent;
use tfplugin::process::LogSource;
use tfplugin::process::Plugin;
use tfplugin::wire;
use tfplugin::wire::Block;
use tfplugin::wire::ClientCapabilities;
use tfplugin::wire::Diagnostic;
use tfplugin::wire::DynamicValue;
use tfplugin::wire::NestingMode;
use tokio::sync::mpsc;

use crate::msgpack::Value;
use crate::msgpack::text;
use crate::setting::Stopwatch;
use crate::setting::no_errors;
use crate::setting::path_from;
use crate::setting::say;

/// More than any limit that gRPC libraries have by themselves.
const USUAL_MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

fn find(mirror: &Path) -> Option<PathBuf> {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let versions = folders(&mirror.join("registry.terraform.io/hashicorp/aws"));
    let platforms = versions.iter().flat_map(|version| folders(version));
    platforms.flat_map(|platform| folders(&platform)).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("terraform-provider-aws_v")
    })
}

/// The provider, or a loud word that it is missing.
fn program(test: &str) -> Option<PathBuf> {
    let program = find(&path_from("GOV_TEST_PLUGIN_MIRROR", test)?);
    if program.is_none() {
        say(&format!("SKIPPED: {test}: there is no such provider in the mirror"));
    }
    program
}

#[tokio::test]
async fn a_large_schema_is_indexed_and_decoded_piece_by_piece() {
    let Some(program) = program("the schema of the AWS provider") else {
        return;
    };
    let mut watch = Stopwatch::start("AWS provider");
    let plugin = Plugin::start(Launch::new(program)).await.unwrap();
    watch.lap("start to connection");
    let client = plugin.client();
    assert_eq!(client.protocol(), Protocol::V5);

    let bytes = client.get_provider_schema_bytes().await.unwrap();
    watch.lap("schema bytes");
    assert!(bytes.len() > USUAL_MESSAGE_BYTES_MAX, "{} bytes", bytes.len());
    let document = SchemaDocument::parse(client.protocol(), bytes).unwrap();
    watch.lap("index");
    no_errors(document.diagnostics());
    assert!(document.capabilities().get_provider_schema_optional);
    assert!(document.resource_types().len() > 1_000);
    assert!(document.data_source_types().len() > 500);

    let vpc = document.resource("aws_vpc").unwrap().unwrap().block.unwrap();
    watch.lap("decode of aws_vpc");
    let attribute = |name: &str| vpc.attributes.iter().find(|found| found.name == name).unwrap();
    assert!(attribute("cidr_block").optional && attribute("cidr_block").computed);
    assert_eq!(attribute("tags").r#type, br#"["map","string"]"#);
    assert!(document.provider().unwrap().is_some());
    assert!(document.resource("aws_no_such_thing").unwrap().is_none());

    let began = Instant::now();
    let types: Vec<_> = document.resource_types().map(str::to_owned).collect();
    let mut write_only = 0;
    for type_name in &types {
        let block = document.resource(type_name).unwrap().unwrap().block.unwrap();
        write_only += block.attributes.iter().filter(|attribute| attribute.write_only).count();
    }
    assert!(write_only > 0, "field 10 is write_only in version 5");
    say(&format!("TIMED: all {} resource types decoded in {:?}", types.len(), began.elapsed()));

    watch.lap("all types");
    let functions = client.get_functions().await.unwrap().unwrap();
    watch.lap("functions");
    no_errors(&functions.diagnostics);
    assert!(functions.functions.contains_key("arn_parse"));
    // Not every version has this call, and lacking it is no failure.
    let identities = client.get_resource_identity_schemas().await.unwrap();
    watch.lap(if identities.is_some() { "identities" } else { "no identities" });

    let report = plugin.shutdown().await;
    watch.lap("shutdown");
    assert!(!report.killed, "{report}");
    assert!(report.status.is_some_and(|status| status.success()), "{report}");
}

#[tokio::test]
async fn its_log_is_read_as_records() {
    let Some(program) = program("the log of the AWS provider") else {
        return;
    };
    let (log, mut events) = mpsc::channel(10_000);
    let mut launch = Launch::new(program);
    launch.variables = vec![("TF_LOG".into(), "TRACE".into())];
    launch.log = Some(log);
    let plugin = Plugin::start(launch).await.unwrap();
    assert!(plugin.client().get_functions().await.unwrap().is_some());
    plugin.shutdown().await;
    let mut records = Vec::new();
    while let Some(event) = events.recv().await {
        match event {
            LogEvent::Record(record) => records.push(record),
            LogEvent::Dropped { .. } => panic!("there are few and room for many"),
        }
    }
    let about_functions = records
        .iter()
        .find(|record| record.fields.get("tf_rpc").is_some_and(|rpc| rpc == "GetFunctions"));
    let record = about_functions.expect("each call is logged");
    assert_eq!(record.source, LogSource::Stderr);
    assert!(record.level.is_some() && record.module.is_some() && record.timestamp.is_some());
    assert!(!record.message.is_empty());
}

/// A value of a block in which nothing is configured.
fn blank(block: &Block) -> BTreeMap<String, Value> {
    let mut object = BTreeMap::new();
    for attribute in &block.attributes {
        object.insert(attribute.name.clone(), Value::Null);
    }
    for nested in &block.block_types {
        let value = match nested.nesting() {
            NestingMode::List | NestingMode::Set => Value::List(Vec::new()),
            NestingMode::Single => Value::Null,
            other => panic!("{other:?} does not occur in version 5"),
        };
        object.insert(nested.type_name.clone(), value);
    }
    object
}

fn configured<const N: usize>(block: &Block, values: [(&str, Value); N]) -> Value {
    let mut object = blank(block);
    for (name, value) in values {
        assert!(object.insert(name.to_owned(), value).is_some(), "{name}");
    }
    Value::Object(object)
}

/// Configures the provider for a cloud that is not there.
async fn configure(
    client: &Client,
    document: &SchemaDocument,
    region: Value,
    token: Value,
) -> Vec<Diagnostic> {
    let block = document.provider().unwrap().unwrap().block.unwrap();
    let yes = || Value::Bool(true);
    let config = configured(
        &block,
        [
            ("region", region),
            ("token", token),
            ("access_key", text("mock")),
            ("secret_key", text("mock")),
            ("skip_credentials_validation", yes()),
            ("skip_requesting_account_id", yes()),
            ("skip_metadata_api_check", text("true")),
            ("max_retries", Value::Number(1.0)),
        ],
    );
    let request = wire::ValidateProviderConfigRequest { config: Some(config.encode()) };
    no_errors(&client.validate_provider_config(&request).await.unwrap().diagnostics);
    let request = wire::ConfigureProviderRequest {
        terraform_version: "1.11.4".to_owned(),
        config: Some(config.encode()),
        client_capabilities: Some(ClientCapabilities::SUPPORTED),
    };
    client.configure_provider(&request).await.unwrap().diagnostics
}

async fn plan_vpc(
    client: &Client,
    document: &SchemaDocument,
) -> (Value, wire::PlanResourceChangeResponse) {
    let block = document.resource("aws_vpc").unwrap().unwrap().block.unwrap();
    let config = configured(&block, [("cidr_block", text("10.0.0.0/16"))]);
    let request = wire::PlanResourceChangeRequest {
        type_name: "aws_vpc".to_owned(),
        prior_state: Some(DynamicValue::null()),
        proposed_new_state: Some(config.encode()),
        config: Some(config.encode()),
        client_capabilities: Some(ClientCapabilities::SUPPORTED),
        ..Default::default()
    };
    let planned = client.plan_resource_change(&request).await.unwrap();
    no_errors(&planned.diagnostics);
    (config, planned)
}

#[tokio::test]
async fn a_creation_is_planned_and_then_fails_without_its_cloud() {
    let Some(program) = program("a plan of the AWS provider") else {
        return;
    };
    let mut launch = Launch::new(program);
    // Nobody listens there.
    launch.variables = vec![("AWS_ENDPOINT_URL".into(), "http://127.0.0.1:1".into())];
    let plugin = Plugin::start(launch).await.unwrap();
    let client = plugin.client();
    let document = client.get_provider_schema().await.unwrap();
    no_errors(&configure(client, &document, text("us-east-1"), Value::Null).await);
    let (config, planned) = plan_vpc(client, &document).await;
    let state = Value::decode(&planned.planned_state);
    assert_eq!(state.get("id"), &Value::Unknown);
    assert_eq!(state.get("cidr_block"), &text("10.0.0.0/16"));
    assert!(planned.legacy_type_system);
    assert!(!planned.planned_private.is_empty());
    let paths: Vec<_> = planned.requires_replace.iter().map(ToString::to_string).collect();
    assert!(paths.contains(&"cidr_block".to_owned()), "{paths:?}");

    let request = wire::ApplyResourceChangeRequest {
        type_name: "aws_vpc".to_owned(),
        prior_state: Some(DynamicValue::null()),
        planned_state: planned.planned_state,
        config: Some(config.encode()),
        planned_private: planned.planned_private,
        ..Default::default()
    };
    let applied = client.apply_resource_change(&request).await.unwrap();
    assert!(applied.diagnostics.iter().any(wire::Diagnostic::is_error), "{applied:?}");
    assert_eq!(Value::decode(&applied.new_state), Value::Null, "nothing was made");
}

#[tokio::test]
async fn a_provider_configuration_may_hold_unknown_values() {
    let Some(program) = program("an unknown region of the AWS provider") else {
        return;
    };
    let plugin = Plugin::start(Launch::new(program)).await.unwrap();
    let client = plugin.client();
    let document = client.get_provider_schema().await.unwrap();
    // What it does with them is its own affair: an unknown region it takes for an empty one.
    let diagnostics = configure(client, &document, Value::Unknown, Value::Null).await;
    assert!(diagnostics.iter().any(Diagnostic::is_error), "{diagnostics:?}");
    no_errors(&configure(client, &document, text("us-east-1"), Value::Unknown).await);
    let (_, planned) = plan_vpc(client, &document).await;
    assert_eq!(Value::decode(&planned.planned_state).get("id"), &Value::Unknown);
}
