//! Messages about functions that a provider offers. They work on an unconfigured provider.

use std::collections::BTreeMap;

use prost::Message;

use super::Diagnostic;
use super::DynamicValue;

/// The signatures of all functions.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct GetFunctionsResponse {
    /// By name.
    #[prost(btree_map = "string, message", tag = "1")]
    pub functions: BTreeMap<String, Function>,
    /// Warnings and errors.
    #[prost(message, repeated, tag = "2")]
    pub diagnostics: Vec<Diagnostic>,
}

/// The signature of one function.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Function {
    /// The positional parameters.
    #[prost(message, repeated, tag = "1")]
    pub parameters: Vec<FunctionParameter>,
    /// What takes any further arguments.
    #[prost(message, optional, tag = "2")]
    pub variadic_parameter: Option<FunctionParameter>,
    /// What it returns.
    #[prost(message, optional, tag = "3")]
    pub r#return: Option<FunctionReturn>,
    /// One line for people.
    #[prost(string, tag = "4")]
    pub summary: String,
    /// The rest for people.
    #[prost(string, tag = "5")]
    pub description: String,
    /// How the description is written.
    #[prost(enumeration = "super::StringKind", tag = "6")]
    pub description_kind: i32,
    /// What to use instead.
    #[prost(string, tag = "7")]
    pub deprecation_message: String,
}

/// One parameter of a function.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct FunctionParameter {
    /// For people.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The type constraint in JSON.
    #[prost(bytes = "vec", tag = "2")]
    pub r#type: Vec<u8>,
    /// Null may be passed; otherwise the host refuses it.
    #[prost(bool, tag = "3")]
    pub allow_null_value: bool,
    /// Unknown values may be passed; otherwise the host skips the call and takes its result for
    /// unknown.
    #[prost(bool, tag = "4")]
    pub allow_unknown_values: bool,
    /// For people.
    #[prost(string, tag = "5")]
    pub description: String,
    /// How the description is written.
    #[prost(enumeration = "super::StringKind", tag = "6")]
    pub description_kind: i32,
}

/// What a function returns.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct FunctionReturn {
    /// The type constraint in JSON.
    #[prost(bytes = "vec", tag = "1")]
    pub r#type: Vec<u8>,
}

/// Calls a function.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CallFunctionRequest {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its arguments, the variadic ones at the end.
    #[prost(message, repeated, tag = "2")]
    pub arguments: Vec<DynamicValue>,
}

/// The result of a function, or why there is none.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CallFunctionResponse {
    /// The result.
    #[prost(message, optional, tag = "1")]
    pub result: Option<DynamicValue>,
    /// Why there is no result.
    #[prost(message, optional, tag = "2")]
    pub error: Option<FunctionError>,
}

/// Why a function failed.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct FunctionError {
    /// For people.
    #[prost(string, tag = "1")]
    pub text: String,
    /// The position of the argument at fault, if there is one.
    #[prost(int64, optional, tag = "2")]
    pub function_argument: Option<i64>,
}
