//! A function of a real provider, called without configuring it.

use tfplugin::process::Launch;
use tfplugin::process::Plugin;
use tfplugin::wire::CallFunctionRequest;
use tfplugin::wire::DynamicValue;

use crate::msgpack::Value;
use crate::msgpack::text;
use crate::setting::no_errors;
use crate::setting::path_from;

#[tokio::test]
async fn a_function_adds_two_numbers() {
    let Some(program) = path_from("GOV_TEST_PLUGIN_FN", "a call of a provider's function") else {
        return;
    };
    let plugin = Plugin::start(Launch::new(program)).await.unwrap();
    let client = plugin.client();
    let document = client.get_provider_schema().await.unwrap();
    no_errors(document.diagnostics());

    let functions = client.get_functions().await.unwrap().unwrap();
    no_errors(&functions.diagnostics);
    let add = &functions.functions["add"];
    assert_eq!(add.parameters.len(), 2);
    assert_eq!(add.parameters[0].r#type, b"\"number\"");
    assert_eq!(add.r#return.as_ref().unwrap().r#type, b"\"number\"");
    assert!(add.variadic_parameter.is_none());

    let call = |a: DynamicValue, b: DynamicValue| CallFunctionRequest {
        name: "add".to_owned(),
        arguments: vec![a, b],
    };
    let whole = |number: u8| DynamicValue::msgpack(vec![number]);
    let five = client.call_function(&call(whole(2), whole(3))).await.unwrap();
    assert_eq!(five.error, None);
    assert_eq!(Value::decode(&five.result), Value::Number(5.0));

    for wrong in [text("two"), Value::Null, Value::Number(2.0)] {
        let refused = client.call_function(&call(wrong.encode(), whole(3))).await.unwrap();
        let error = refused.error.unwrap();
        assert!(!error.text.is_empty(), "{wrong:?}");
    }
}
