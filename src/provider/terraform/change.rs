//! Changes: what a provider would make of an object, and what it made of it.
//!
//! A deletion is proposed right before it is carried out, where the provider wants to be asked;
//! everything else is proposed when planning and applied exactly so.

use tfplugin::wire;
use tfplugin::wire::DynamicValue;

use crate::model::environment::Private;
use crate::model::value::Path;
use crate::model::value::Value;
use crate::provider::Answer;
use crate::provider::ApplyCall;
use crate::provider::Failure;
use crate::provider::FailureClass;
use crate::provider::LiveObject;
use crate::provider::Proposal;
use crate::provider::Remark;
use crate::provider::Reply;
use crate::provider::terraform::TerraformProvider;
use crate::provider::terraform::lifecycle::CAPABILITIES;
use crate::provider::terraform::lifecycle::accepted;
use crate::provider::terraform::lifecycle::failed;
use crate::provider::terraform::lifecycle::known;
use crate::provider::terraform::lifecycle::nonsense;
use crate::provider::terraform::lifecycle::path;
use crate::provider::terraform::lifecycle::refusal;
use crate::provider::terraform::lifecycle::set_path;
use crate::provider::terraform::propose;
use crate::provider::terraform::schema::TypeSchema;
use crate::provider::terraform::value;

/// A planned change as it came back.
struct Planned {
    value: Value,
    requires_replace: Vec<Path>,
    private: Vec<u8>,
    warnings: Vec<Remark>,
    /// Whether the provider is of the older kind.
    is_legacy: bool,
}

impl TerraformProvider {
    pub(super) async fn propose(
        &self,
        kind: &str,
        prior: Option<&LiveObject>,
        config: &Value,
    ) -> Reply {
        let made = self.made(kind)?;
        if config.is_null() {
            let private = Private(self.plan_deletion(made, kind, prior).await?);
            let (planned, requires_replace, warnings) = (Value::null(), Vec::new(), Vec::new());
            return Ok(Answer::Proposal(Proposal { planned, requires_replace, private, warnings }));
        }
        let before = prior.map(|prior| &prior.value);
        let proposed = propose::proposed_new(&made.shape, before, config);
        let encoded = made.encode(config)?;
        self.validate_once(made, kind, config, encoded.as_ref()).await?;
        let planned = self.plan(made, kind, prior, &proposed, encoded).await?;
        if !planned.is_legacy {
            propose::check_planned(&made.shape, before, config, &planned.value).map_err(|e| {
                let mut failure =
                    Failure::rejected(format!("{}. This is a bug in the provider.", e.problem));
                set_path(&mut failure, &e.path);
                failure
            })?;
        }
        let proposal = Proposal {
            planned: planned.value,
            requires_replace: planned.requires_replace,
            private: Private(planned.private),
            warnings: planned.warnings,
        };
        Ok(if planned.is_legacy {
            Answer::ApproximateProposal(proposal)
        } else {
            Answer::Proposal(proposal)
        })
    }

    async fn plan(
        &self,
        made: &TypeSchema,
        kind: &str,
        prior: Option<&LiveObject>,
        proposed: &Value,
        config: Option<DynamicValue>,
    ) -> Result<Planned, Failure> {
        let null = Value::null();
        let request = wire::PlanResourceChangeRequest {
            type_name: kind.to_owned(),
            prior_state: made.encode(prior.map_or(&null, |prior| &prior.value))?,
            proposed_new_state: made.encode(proposed)?,
            config,
            prior_private: prior.map(|prior| prior.private.0.clone()).unwrap_or_default(),
            provider_meta: self.meta(),
            client_capabilities: CAPABILITIES,
            prior_identity: None,
        };
        let answer = self.client().plan_resource_change(&request).await.map_err(|e| failed(&e))?;
        let warnings = accepted(&answer.diagnostics)?;
        let is_legacy = answer.legacy_type_system;
        // A provider of the newer kind that would keep what was only sent is told so below; what
        // one of the older kind returns is kept as it may be.
        let value = value::decode(answer.planned_state.as_ref(), &made.ty)
            .map_err(|error| nonsense(&error))?;
        let value = if is_legacy { made.shape.without_write_only(&value) } else { value };
        Ok(Planned {
            value: made.shape.mark(&value),
            requires_replace: answer.requires_replace.iter().map(path).collect(),
            private: answer.planned_private,
            warnings,
            is_legacy,
        })
    }

    /// The private bytes to delete an object with.
    async fn plan_deletion(
        &self,
        made: &TypeSchema,
        kind: &str,
        prior: Option<&LiveObject>,
    ) -> Result<Vec<u8>, Failure> {
        if !self.types.plans_destroy {
            return Ok(prior.map(|prior| prior.private.0.clone()).unwrap_or_default());
        }
        let null = made.encode(&Value::null())?;
        let planned = self.plan(made, kind, prior, &Value::null(), null).await?;
        if planned.value.is_null() {
            Ok(planned.private)
        } else {
            Err(Failure::rejected("the provider planned to keep what was to be deleted"))
        }
    }

    pub(super) async fn apply(&self, call: &ApplyCall) -> Reply {
        let made = self.made(&call.kind)?;
        let prior = call.prior.as_ref().map(|prior| &prior.value);
        let config = made.encode(&call.config)?;
        self.request_apply(made, call, prior, config, call.planned_private.0.clone()).await
    }

    /// The bytes of the proposal belong to another step where this deletion is half of a
    /// replacement, so the deletion is proposed here.
    pub(super) async fn delete(&self, call: &ApplyCall) -> Reply {
        let made = self.made(&call.kind)?;
        let prior = call.prior.as_ref();
        let private = self.plan_deletion(made, &call.kind, prior).await?;
        let null = made.encode(&Value::null())?;
        self.request_apply(made, call, prior.map(|prior| &prior.value), null, private).await
    }

    async fn request_apply(
        &self,
        made: &TypeSchema,
        call: &ApplyCall,
        prior: Option<&Value>,
        config: Option<DynamicValue>,
        planned_private: Vec<u8>,
    ) -> Reply {
        let null = Value::null();
        let request = wire::ApplyResourceChangeRequest {
            type_name: call.kind.clone(),
            prior_state: made.encode(prior.unwrap_or(&null))?,
            planned_state: made.encode(&call.planned)?,
            config,
            planned_private,
            provider_meta: self.meta(),
            planned_identity: None,
        };
        let answer = self.client().apply_resource_change(&request).await.map_err(|e| failed(&e))?;
        applied(made, answer, call.planned.is_null())
    }
}

/// What an apply came to. Whatever exists afterwards is handed back, beside errors too.
fn applied(made: &TypeSchema, answer: wire::ApplyResourceChangeResponse, deletes: bool) -> Reply {
    let refused = refusal(&answer.diagnostics);
    let value = match made.receive(answer.new_state.as_ref()) {
        Ok(value) => value,
        // It was done, and what came of it cannot be read: only looking can tell.
        Err(error) => {
            let mut failure = nonsense(&error);
            failure.class = FailureClass::Unknown;
            failure.remarks.extend(refused.into_iter().flat_map(|refused| refused.remarks));
            return Err(failure);
        }
    };
    let private = Private(answer.private);
    let failure = match (refused, &value) {
        (Some(failure), _) => Some(failure),
        (None, Some(value)) => known(value).err(),
        (None, None) => None,
    };
    let Some(value) = value else {
        return match failure {
            Some(failure) => Err(failure),
            None => Ok(Answer::Object(None)),
        };
    };
    match failure {
        Some(mut failure) => {
            let known = value.rebuild(&mut |node| {
                if node.is_unknown() { Value::null() } else { node }
            });
            failure.partial = Some(LiveObject { value: known, private });
            Err(failure)
        }
        None if answer.legacy_type_system && !deletes => {
            Ok(Answer::Approximate(LiveObject { value, private }))
        }
        None => Ok(Answer::Object(Some(LiveObject { value, private }))),
    }
}

#[cfg(test)]
mod tests {
    use tfplugin::wire;
    use tfplugin::wire::Severity;

    use super::applied;
    use crate::model::value::Value;
    use crate::provider::Answer;
    use crate::provider::FailureClass;
    use crate::provider::terraform::schema::TypeSchema;
    use crate::provider::terraform::schema::tests::attribute;
    use crate::provider::terraform::schema::tests::schema;
    use crate::provider::terraform::value::encode;

    fn made() -> TypeSchema {
        let attributes =
            vec![attribute("id", "\"string\"", "c"), attribute("pin", "\"string\"", "ow")];
        schema(attributes, Vec::new())
    }

    fn object(id: Value) -> Value {
        Value::object([("id", id), ("pin", Value::string("secret"))])
    }

    fn answer(state: &Value, error: bool) -> wire::ApplyResourceChangeResponse {
        let diagnostic = wire::Diagnostic {
            severity: Severity::Error as i32,
            summary: "it broke".to_owned(),
            ..Default::default()
        };
        wire::ApplyResourceChangeResponse {
            new_state: Some(encode(state, &made().ty).unwrap()),
            private: b"p".to_vec(),
            diagnostics: if error { vec![diagnostic] } else { Vec::new() },
            ..Default::default()
        }
    }

    #[test]
    fn what_exists_is_kept_beside_errors() {
        let failure = applied(&made(), answer(&object(Value::string("i")), true), false);
        let failure = failure.unwrap_err();
        assert_eq!(failure.class, FailureClass::Rejected);
        let partial = failure.partial.unwrap();
        assert_eq!(partial.value.get("id"), Some(&Value::string("i")));
        assert!(partial.value.get("pin").unwrap().is_null(), "only ever sent");
        assert_eq!(partial.private.0, b"p");
        let nothing = applied(&made(), answer(&Value::null(), true), false).unwrap_err();
        assert_eq!((nothing.class, nothing.partial), (FailureClass::Rejected, None));
    }

    #[test]
    fn what_is_left_unknown_is_an_error_and_kept_as_null() {
        let failure = applied(&made(), answer(&object(Value::unknown()), false), false);
        let failure = failure.unwrap_err();
        assert_eq!(failure.remarks[0].path.to_string(), "id");
        assert!(failure.partial.unwrap().value.get("id").unwrap().is_null());
    }

    #[test]
    fn an_answer_that_cannot_be_read_leaves_the_outcome_open() {
        let mut wrong = answer(&Value::null(), false);
        wrong.new_state = Some(wire::DynamicValue::msgpack(vec![0x91, 0xc3]));
        let failure = applied(&made(), wrong, false).unwrap_err();
        assert_eq!(failure.class, FailureClass::Unknown);
    }

    #[test]
    fn a_provider_of_the_older_kind_is_not_held_to_its_plan() {
        let mut legacy = answer(&object(Value::string("i")), false);
        legacy.legacy_type_system = true;
        let reply = applied(&made(), legacy, false).unwrap();
        assert!(matches!(reply, Answer::Approximate(_)));
        let strict = applied(&made(), answer(&object(Value::string("i")), false), false).unwrap();
        assert!(matches!(strict, Answer::Object(Some(_))));
    }
}
