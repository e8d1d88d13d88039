//! The whole life of a resource, with a real provider of protocol 6.

use tfplugin::Protocol;
use tfplugin::client::Client;
use tfplugin::process::Launch;
use tfplugin::process::Plugin;
use tfplugin::wire;
use tfplugin::wire::ClientCapabilities;
use tfplugin::wire::DynamicValue;
use tfplugin::wire::Encoded;
use tfplugin::wire::Selector;

use crate::msgpack::Value;
use crate::msgpack::object;
use crate::msgpack::text;
use crate::setting::Stopwatch;
use crate::setting::no_errors;
use crate::setting::path_from;

const TYPE: &str = "null_resource";
const CAPABILITIES: Option<ClientCapabilities> = Some(ClientCapabilities::SUPPORTED);

fn resource(id: Value, trigger: &str) -> Value {
    object([("id", id), ("triggers", object([("when", text(trigger))]))])
}

fn null() -> Option<DynamicValue> {
    Some(DynamicValue::null())
}

async fn plan(
    client: &Client,
    prior: &Value,
    proposed: &Value,
    config: &Value,
    private: &[u8],
) -> wire::PlanResourceChangeResponse {
    let request = wire::PlanResourceChangeRequest {
        type_name: TYPE.to_owned(),
        prior_state: Some(prior.encode()),
        proposed_new_state: Some(proposed.encode()),
        config: Some(config.encode()),
        prior_private: private.to_vec(),
        provider_meta: null(),
        client_capabilities: CAPABILITIES,
        prior_identity: None,
    };
    let response = client.plan_resource_change(&request).await.unwrap();
    no_errors(&response.diagnostics);
    response
}

async fn apply(
    client: &Client,
    prior: &Value,
    config: &Value,
    plan: wire::PlanResourceChangeResponse,
) -> (Value, Vec<u8>) {
    let request = wire::ApplyResourceChangeRequest {
        type_name: TYPE.to_owned(),
        prior_state: Some(prior.encode()),
        planned_state: plan.planned_state,
        config: Some(config.encode()),
        planned_private: plan.planned_private,
        provider_meta: null(),
        planned_identity: None,
    };
    let response = client.apply_resource_change(&request).await.unwrap();
    no_errors(&response.diagnostics);
    (Value::decode(&response.new_state), response.private)
}

async fn describe(client: &Client) {
    assert_eq!(client.protocol(), Protocol::V6);
    let document = client.get_provider_schema().await.unwrap();
    no_errors(document.diagnostics());
    assert!(document.capabilities().plan_destroy);
    assert_eq!(document.resource_types().collect::<Vec<_>>(), [TYPE]);
    let block = document.resource(TYPE).unwrap().unwrap().block.unwrap();
    let types: Vec<_> = block
        .attributes
        .iter()
        .map(|attribute| (attribute.name.as_str(), String::from_utf8_lossy(&attribute.r#type)))
        .collect();
    assert!(types.contains(&("id", "\"string\"".into())), "{types:?}");
    assert!(types.contains(&("triggers", r#"["map","string"]"#.into())), "{types:?}");
    assert!(document.provider().unwrap().is_some());
    assert!(document.provider_meta().unwrap().is_some());

    // An old provider lacks newer calls, which is no failure.
    assert_eq!(client.get_resource_identity_schemas().await.unwrap(), None);
}

async fn configure(client: &Client) {
    let config = Some(object([]).encode());
    let request = wire::ValidateProviderConfigRequest { config: config.clone() };
    no_errors(&client.validate_provider_config(&request).await.unwrap().diagnostics);
    let request = wire::ConfigureProviderRequest {
        terraform_version: "1.11.4".to_owned(),
        config,
        client_capabilities: CAPABILITIES,
    };
    no_errors(&client.configure_provider(&request).await.unwrap().diagnostics);
}

async fn validate(client: &Client, config: &Value) {
    let request = wire::ValidateResourceConfigRequest {
        type_name: TYPE.to_owned(),
        config: Some(config.encode()),
        client_capabilities: CAPABILITIES,
    };
    no_errors(&client.validate_resource_config(&request).await.unwrap().diagnostics);
}

async fn upgrade_and_read(client: &Client, state: &Value, private: &[u8]) {
    let Value::Text(id) = state.get("id") else { panic!("{state:?} has no id") };
    let json = format!(r#"{{"id":"{id}","triggers":{{"when":"first"}}}}"#).into_bytes();
    let request = wire::UpgradeResourceStateRequest {
        type_name: TYPE.to_owned(),
        version: 1,
        raw_state: Some(wire::RawState::json(json.clone())),
    };
    let upgraded = client.upgrade_resource_state(&request).await.unwrap();
    no_errors(&upgraded.diagnostics);
    // This provider answers in the encoding that it was asked in.
    assert_eq!(upgraded.upgraded_state.as_ref().unwrap().encoded(), Encoded::Json(&json));

    let request = wire::ReadResourceRequest {
        type_name: TYPE.to_owned(),
        current_state: Some(state.encode()),
        private: private.to_vec(),
        provider_meta: null(),
        client_capabilities: CAPABILITIES,
        current_identity: None,
    };
    let read = client.read_resource(&request).await.unwrap();
    no_errors(&read.diagnostics);
    assert_eq!(Value::decode(&read.new_state), *state);
}

#[tokio::test]
async fn a_resource_is_created_read_replaced_and_deleted() {
    let Some(program) = path_from("GOV_TEST_PLUGIN_NULL", "the life of a null resource") else {
        return;
    };
    let mut watch = Stopwatch::start("null provider");
    let plugin = Plugin::start(Launch::new(program)).await.unwrap();
    watch.lap("start to connection");
    let client = plugin.client();
    describe(client).await;
    watch.lap("schema");
    configure(client).await;
    watch.lap("configure");

    let config = resource(Value::Null, "first");
    validate(client, &config).await;
    let planned = plan(client, &Value::Null, &config, &config, &[]).await;
    assert_eq!(Value::decode(&planned.planned_state), resource(Value::Unknown, "first"));
    let (state, private) = apply(client, &Value::Null, &config, planned).await;
    assert!(matches!(state.get("id"), Value::Text(id) if id.len() == 30), "{state:?}");
    watch.lap("create");

    upgrade_and_read(client, &state, &private).await;
    let planned = plan(client, &state, &state, &config, &private).await;
    assert_eq!(Value::decode(&planned.planned_state), state, "nothing to do");
    assert!(planned.requires_replace.is_empty());
    watch.lap("read and plan again");

    let config = resource(Value::Null, "second");
    let proposed = resource(state.get("id").clone(), "second");
    let planned = plan(client, &state, &proposed, &config, &private).await;
    let [path] = planned.requires_replace.as_slice() else { panic!("{planned:?}") };
    let expected = Some(Selector::AttributeName("triggers".to_owned()));
    assert_eq!((path.steps.len(), &path.steps[0].selector), (1, &expected));
    // A replacement is planned anew, as a creation, with the private bytes of the first plan.
    let again = plan(client, &Value::Null, &config, &config, &planned.planned_private).await;
    assert_eq!(Value::decode(&again.planned_state), resource(Value::Unknown, "second"));

    let planned = plan(client, &state, &Value::Null, &Value::Null, &private).await;
    let (gone, _) = apply(client, &state, &Value::Null, planned).await;
    assert_eq!(gone, Value::Null);
    watch.lap("replace and delete");

    assert_eq!(client.stop_provider().await.unwrap().error, "");
    let report = plugin.shutdown().await;
    watch.lap("shutdown");
    assert!(report.last_words.is_empty(), "{report}");
}

#[tokio::test]
async fn what_the_provider_refuses_is_answered_with_diagnostics() {
    let Some(program) = path_from("GOV_TEST_PLUGIN_NULL", "diagnostics of a null resource") else {
        return;
    };
    let plugin = Plugin::start(Launch::new(program)).await.unwrap();
    plugin.client().get_provider_schema_bytes().await.unwrap();
    let request = wire::UpgradeResourceStateRequest {
        type_name: TYPE.to_owned(),
        version: 0,
        raw_state: Some(wire::RawState::json(b"{}".to_vec())),
    };
    let response = plugin.client().upgrade_resource_state(&request).await.unwrap();
    let [error, ..] = response.diagnostics.as_slice() else { panic!("{response:?}") };
    assert!(error.is_error());
    assert_eq!(error.summary, "Upgrade is not supported");
}

#[tokio::test]
async fn clients_of_many_tasks_share_one_connection() {
    let Some(program) = path_from("GOV_TEST_PLUGIN_NULL", "many calls at once") else {
        return;
    };
    let plugin = Plugin::start(Launch::new(program)).await.unwrap();
    configure(plugin.client()).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let client = plugin.client().clone();
        tasks.spawn(async move {
            let config = resource(Value::Null, &number.to_string());
            let planned = plan(&client, &Value::Null, &config, &config, &[]).await;
            Value::decode(&planned.planned_state).get("triggers").get("when").clone()
        });
    }
    let mut found = Vec::new();
    while let Some(value) = tasks.join_next().await {
        match value.unwrap() {
            Value::Text(text) => found.push(text.parse::<u32>().unwrap()),
            other => panic!("{other:?}"),
        }
    }
    found.sort_unstable();
    assert_eq!(found, (0..200).collect::<Vec<_>>());
}
