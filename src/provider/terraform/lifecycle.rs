//! The life of a resource in remote calls, and what their answers mean.
//!
//! Three rules run through all of it. What a provider leaves behind is never dropped: a failed
//! apply hands back what exists all the same. What was only sent is never handed back. And a
//! provider of the older kind, which says so with each answer, may return values that differ in
//! form from plan and configuration; they are kept exactly as they came.

use sha2::Digest as _;
use sha2::Sha256;
use tfplugin::Class;
use tfplugin::client::CallError;
use tfplugin::wire;
use tfplugin::wire::ClientCapabilities;
use tfplugin::wire::DynamicValue;
use tfplugin::wire::Selector;

use crate::model::environment::Private;
use crate::model::schema::ConvertError;
use crate::model::value::Path;
use crate::model::value::Step;
use crate::model::value::Value;
use crate::provider::Answer;
use crate::provider::ApplyCall;
use crate::provider::Call;
use crate::provider::Failure;
use crate::provider::FailureClass;
use crate::provider::LiveObject;
use crate::provider::Proposal;
use crate::provider::Remark;
use crate::provider::Reply;
use crate::provider::terraform::Configured;
use crate::provider::terraform::TerraformProvider;
use crate::provider::terraform::json;
use crate::provider::terraform::propose;
use crate::provider::terraform::schema::TypeSchema;
use crate::provider::terraform::value;

/// What providers believe to be hosted by. Some put it into their user agent and a few refuse
/// what they take for too old; write-only attributes came with this one.
const HOST_VERSION: &str = "1.11.4";

/// How many configurations are remembered as valid: more than an environment has resources. One
/// that is forgotten is validated once more.
const VALIDATED_MAX: usize = 100_000;

const CAPABILITIES: Option<ClientCapabilities> = Some(ClientCapabilities::SUPPORTED);

/// The failure that these diagnostics amount to, where there is an error among them.
#[must_use]
pub fn refusal(diagnostics: &[wire::Diagnostic]) -> Option<Failure> {
    let remarks = remarks(diagnostics, true);
    let class = FailureClass::Rejected;
    (!remarks.is_empty()).then_some(Failure { class, remarks, partial: None })
}

fn remarks(diagnostics: &[wire::Diagnostic], errors: bool) -> Vec<Remark> {
    let chosen = diagnostics.iter().filter(|diagnostic| diagnostic.is_error() == errors);
    let remark = |diagnostic: &wire::Diagnostic| Remark {
        path: diagnostic.attribute.as_ref().map(path).unwrap_or_default(),
        summary: diagnostic.summary.clone(),
        detail: diagnostic.detail.clone(),
    };
    chosen.map(remark).collect()
}

/// A path of the wire, as far as it makes sense.
fn path(path: &wire::AttributePath) -> Path {
    let step = |step: &wire::AttributePathStep| match step.selector.as_ref()? {
        Selector::AttributeName(name) => Some(Step::Attribute(name.clone())),
        Selector::ElementKeyString(key) => Some(Step::Key(key.clone())),
        Selector::ElementKeyInt(index) => usize::try_from(*index).ok().map(Step::Index),
    };
    Path(path.steps.iter().map_while(step).collect())
}

/// The remarks of an answer without errors; the failure of one with them.
fn accepted(diagnostics: &[wire::Diagnostic]) -> Result<Vec<Remark>, Failure> {
    match refusal(diagnostics) {
        Some(failure) => Err(failure),
        None => Ok(remarks(diagnostics, false)),
    }
}

pub(super) fn failed(error: &CallError) -> Failure {
    of_class(error.class(), error.to_string())
}

pub(super) fn of_class(class: Class, summary: String) -> Failure {
    match class {
        Class::Rejected => Failure::rejected(summary),
        Class::Transient => Failure::transient(summary),
        Class::Unknown => Failure::unknown(summary),
    }
}

/// What gov was about to send does not fit the type.
fn unfit(error: &ConvertError) -> Failure {
    let mut failure =
        Failure::rejected(format!("{}. This is a bug in gov or in the books.", error.problem));
    set_path(&mut failure, &error.path);
    failure
}

/// What the provider sent does not fit the type that it declared.
fn nonsense(error: &ConvertError) -> Failure {
    let summary =
        format!("the provider's answer {}. This is a bug in the provider.", error.problem);
    let mut failure = Failure::rejected(summary);
    set_path(&mut failure, &error.path);
    failure
}

fn set_path(failure: &mut Failure, path: &Path) {
    for remark in &mut failure.remarks {
        remark.path = path.clone();
    }
}

/// The only reason for a refusal that is neither the provider's nor the user's.
fn unknown_type(kind: &str) -> Failure {
    Failure::rejected(format!("the provider was not opened for `{kind}`. This is a bug in gov."))
}

impl TypeSchema {
    fn encode(&self, value: &Value) -> Result<Option<DynamicValue>, Failure> {
        value::encode(value, &self.ty).map(Some).map_err(|error| unfit(&error))
    }

    /// A value of the provider as it may be kept, marked; none where it is null.
    fn receive(&self, encoded: Option<&DynamicValue>) -> Result<Option<Value>, ConvertError> {
        let value = value::decode(encoded, &self.ty)?;
        if value.is_null() {
            return Ok(None);
        }
        if value.as_map().is_none() {
            let problem = format!("is {} instead of an object", value.kind_name());
            return Err(ConvertError { path: Path::root(), problem });
        }
        Ok(Some(self.shape.mark(&self.shape.without_write_only(&value))))
    }
}

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
    /// Performs a call.
    pub(super) async fn perform(&self, call: Call) -> Reply {
        match call {
            Call::Configure { config, place: _ } => self.configure(&config).await,
            Call::Validate { kind, data, config } => {
                let made = if data { self.source(&kind)? } else { self.made(&kind)? };
                self.validate(made, &kind, data, &config).await
            }
            Call::Upgrade { kind, version, value } => self.upgrade(&kind, version, &value).await,
            Call::Read { kind, object } => {
                let made = self.made(&kind)?;
                Ok(Answer::Object(self.read(made, &kind, &object).await?))
            }
            Call::ReadData { kind, config } => self.read_data(&kind, &config).await,
            Call::Propose { kind, prior, config } => {
                self.propose(&kind, prior.as_ref(), &config).await
            }
            Call::Apply(call) if call.planned.is_null() => self.delete(&call).await,
            Call::Apply(call) => self.apply(&call).await,
            Call::Find { kind, marker: _, planned } => {
                self.find(&kind, &planned).await.map(Answer::Found)
            }
            Call::Import { kind, id } => Ok(Answer::Object(self.import(&kind, &id).await?)),
        }
    }

    pub(super) fn made(&self, kind: &str) -> Result<&TypeSchema, Failure> {
        self.types.resources.get(kind).ok_or_else(|| unknown_type(kind))
    }

    fn source(&self, kind: &str) -> Result<&TypeSchema, Failure> {
        self.types.data.get(kind).ok_or_else(|| unknown_type(kind))
    }

    fn meta(&self) -> Option<DynamicValue> {
        self.types.takes_meta.then(DynamicValue::null)
    }

    // ---- configurations --------------------------------------------------------------------

    /// Checking and configuring go side by side: the check can take the longer of the two, and a
    /// configuration that it refuses is of no effect, as no other call comes after.
    ///
    /// Planning and applying in one command both configure. The same configuration is not given
    /// twice, and for another one there is a new process, for some providers break at a second.
    async fn configure(&self, config: &Value) -> Reply {
        let config = self.types.config.encode(config)?;
        let digest = digest("", config.as_ref());
        let mut configured = self.configured.lock().await;
        match *configured {
            Configured::Not => {}
            Configured::With(known) if known == digest => {
                return Ok(Answer::Accepted { warnings: Vec::new() });
            }
            Configured::With(_) | Configured::InVain => self.renew().await?,
        }
        *configured = Configured::InVain;
        let warnings = self.give_configuration(config).await?;
        *configured = Configured::With(digest);
        Ok(Answer::Accepted { warnings })
    }

    async fn give_configuration(
        &self,
        config: Option<DynamicValue>,
    ) -> Result<Vec<Remark>, Failure> {
        let client = self.client();
        let check = wire::ValidateProviderConfigRequest { config: config.clone() };
        let configure = wire::ConfigureProviderRequest {
            terraform_version: HOST_VERSION.to_owned(),
            config,
            client_capabilities: CAPABILITIES,
        };
        let (checked, configured) = tokio::join!(
            client.validate_provider_config(&check),
            client.configure_provider(&configure),
        );
        let mut warnings = accepted(&checked.map_err(|e| failed(&e))?.diagnostics)?;
        for warning in accepted(&configured.map_err(|e| failed(&e))?.diagnostics)? {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        Ok(warnings)
    }

    async fn validate(&self, made: &TypeSchema, kind: &str, data: bool, config: &Value) -> Reply {
        let encoded = made.encode(config)?;
        let type_name = kind.to_owned();
        let diagnostics = if data {
            let request = wire::ValidateDataResourceConfigRequest { type_name, config: encoded };
            let answer = self.client().validate_data_resource_config(&request).await;
            answer.map_err(|e| failed(&e))?.diagnostics
        } else {
            let digest = digest(kind, encoded.as_ref());
            let request = wire::ValidateResourceConfigRequest {
                type_name,
                config: encoded,
                client_capabilities: CAPABILITIES,
            };
            let answer = self.client().validate_resource_config(&request).await;
            let diagnostics = answer.map_err(|e| failed(&e))?.diagnostics;
            if refusal(&diagnostics).is_none()
                && let Ok(mut validated) = self.validated.lock()
            {
                if validated.len() >= VALIDATED_MAX {
                    validated.clear();
                }
                validated.insert(digest);
            }
            diagnostics
        };
        Ok(Answer::Accepted { warnings: accepted(&diagnostics)? })
    }

    /// Validates what was not validated as it is.
    async fn validate_once(
        &self,
        made: &TypeSchema,
        kind: &str,
        config: &Value,
        encoded: Option<&DynamicValue>,
    ) -> Result<(), Failure> {
        let digest = digest(kind, encoded);
        let known = self.validated.lock().is_ok_and(|validated| validated.contains(&digest));
        if known { Ok(()) } else { self.validate(made, kind, false, config).await.map(|_| ()) }
    }

    // ---- what exists -----------------------------------------------------------------------

    async fn upgrade(&self, kind: &str, version: u64, stored: &Value) -> Reply {
        let made = self.made(kind)?;
        if version > made.schema.version {
            return Err(Failure::rejected(format!(
                "it was written by a newer version of the provider: its schema has version \
                 {version}, and this provider knows {}; use the newer provider",
                made.schema.version
            )));
        }
        let request = wire::UpgradeResourceStateRequest {
            type_name: kind.to_owned(),
            version: i64::try_from(version).unwrap_or(i64::MAX),
            raw_state: Some(wire::RawState::json(json::stored(stored, &made.ty))),
        };
        let answer = self.client().upgrade_resource_state(&request).await;
        let answer = answer.map_err(|e| failed(&e))?;
        accepted(&answer.diagnostics)?;
        match made.receive(answer.upgraded_state.as_ref()).map_err(|e| nonsense(&e))? {
            Some(value) => Ok(Answer::Upgraded(value.with_marks_of(stored))),
            None => Err(Failure::rejected("the provider lost it while upgrading it")),
        }
    }

    pub(super) async fn read(
        &self,
        made: &TypeSchema,
        kind: &str,
        object: &LiveObject,
    ) -> Result<Option<LiveObject>, Failure> {
        let request = wire::ReadResourceRequest {
            type_name: kind.to_owned(),
            current_state: made.encode(&object.value)?,
            private: object.private.0.clone(),
            provider_meta: self.meta(),
            client_capabilities: CAPABILITIES,
            current_identity: None,
        };
        let answer = self.client().read_resource(&request).await.map_err(|e| failed(&e))?;
        accepted(&answer.diagnostics)?;
        let value = made.receive(answer.new_state.as_ref()).map_err(|e| nonsense(&e))?;
        let Some(value) = value else { return Ok(None) };
        known(&value)?;
        Ok(Some(LiveObject { value, private: Private(answer.private) }))
    }

    async fn read_data(&self, kind: &str, config: &Value) -> Reply {
        let made = self.source(kind)?;
        let request = wire::ReadDataSourceRequest {
            type_name: kind.to_owned(),
            config: made.encode(config)?,
            provider_meta: self.meta(),
            client_capabilities: CAPABILITIES,
        };
        let answer = self.client().read_data_source(&request).await.map_err(|e| failed(&e))?;
        accepted(&answer.diagnostics)?;
        match made.receive(answer.state.as_ref()).map_err(|e| nonsense(&e))? {
            Some(value) => {
                known(&value)?;
                Ok(Answer::Data(value))
            }
            None => Err(Failure::rejected("the provider answered without any data")),
        }
    }

    /// An import says how to read the object; only reading it tells whether it is there.
    pub(super) async fn import(&self, kind: &str, id: &str) -> Result<Option<LiveObject>, Failure> {
        let made = self.made(kind)?;
        let request = wire::ImportResourceStateRequest {
            type_name: kind.to_owned(),
            id: id.to_owned(),
            client_capabilities: CAPABILITIES,
            identity: None,
        };
        let answer = self.client().import_resource_state(&request).await;
        let answer = answer.map_err(|e| failed(&e))?;
        accepted(&answer.diagnostics)?;
        let mut of_kind = answer.imported_resources.iter().filter(|one| one.type_name == kind);
        let (Some(imported), None) = (of_kind.next(), of_kind.next()) else {
            return Err(Failure::rejected(format!("`{id}` does not name exactly one `{kind}`")));
        };
        let value = made.receive(imported.state.as_ref()).map_err(|e| nonsense(&e))?;
        let Some(value) = value else { return Ok(None) };
        let object = LiveObject { value, private: Private(imported.private.clone()) };
        self.read(made, kind, &object).await
    }

    // ---- changes ---------------------------------------------------------------------------

    async fn propose(&self, kind: &str, prior: Option<&LiveObject>, config: &Value) -> Reply {
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

    async fn apply(&self, call: &ApplyCall) -> Reply {
        let made = self.made(&call.kind)?;
        let prior = call.prior.as_ref().map(|prior| &prior.value);
        let config = made.encode(&call.config)?;
        self.request_apply(made, call, prior, config, call.planned_private.0.clone()).await
    }

    /// The bytes of the proposal belong to another step where this deletion is half of a
    /// replacement, so the deletion is proposed here.
    async fn delete(&self, call: &ApplyCall) -> Reply {
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

fn digest(kind: &str, config: Option<&DynamicValue>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(kind.as_bytes());
    hasher.update([0]);
    hasher.update(config.map(|config| config.msgpack.as_slice()).unwrap_or_default());
    hasher.finalize().into()
}

/// An object that exists has nothing left to be told.
fn known(value: &Value) -> Result<(), Failure> {
    match value.unknown_paths().first() {
        None => Ok(()),
        Some(path) => {
            let summary = "the provider left a value unknown. This is a bug in the provider.";
            let mut failure = Failure::rejected(summary);
            set_path(&mut failure, path);
            Err(failure)
        }
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
    use super::path;
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

    #[test]
    fn a_path_ends_where_it_stops_making_sense() {
        let step = |selector| wire::AttributePathStep { selector };
        let steps = vec![
            step(Some(wire::Selector::AttributeName("a".to_owned()))),
            step(Some(wire::Selector::ElementKeyInt(2))),
            step(None),
            step(Some(wire::Selector::ElementKeyString("k".to_owned()))),
        ];
        assert_eq!(path(&wire::AttributePath { steps }).to_string(), "a[2]");
    }
}
