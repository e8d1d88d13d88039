//! The life of a resource in remote calls, and what their answers mean. Changes are in
//! [`change`](super::change).
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
use crate::provider::Call;
use crate::provider::Failure;
use crate::provider::FailureClass;
use crate::provider::LiveObject;
use crate::provider::Remark;
use crate::provider::Reply;
use crate::provider::terraform::Configured;
use crate::provider::terraform::TerraformProvider;
use crate::provider::terraform::json;
use crate::provider::terraform::schema::TypeSchema;
use crate::provider::terraform::value;

/// What providers believe to be hosted by. Some put it into their user agent and a few refuse
/// what they take for too old; write-only attributes came with this one.
const HOST_VERSION: &str = "1.11.4";

/// How many configurations are remembered as valid: more than an environment has resources. One
/// that is forgotten is validated once more.
const VALIDATED_MAX: usize = 100_000;

pub(super) const CAPABILITIES: Option<ClientCapabilities> = Some(ClientCapabilities::SUPPORTED);

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
pub(super) fn path(path: &wire::AttributePath) -> Path {
    let step = |step: &wire::AttributePathStep| match step.selector.as_ref()? {
        Selector::AttributeName(name) => Some(Step::Attribute(name.clone())),
        Selector::ElementKeyString(key) => Some(Step::Key(key.clone())),
        Selector::ElementKeyInt(index) => usize::try_from(*index).ok().map(Step::Index),
    };
    Path(path.steps.iter().map_while(step).collect())
}

/// The remarks of an answer without errors; the failure of one with them.
pub(super) fn accepted(diagnostics: &[wire::Diagnostic]) -> Result<Vec<Remark>, Failure> {
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
pub(super) fn nonsense(error: &ConvertError) -> Failure {
    let summary =
        format!("the provider's answer {}. This is a bug in the provider.", error.problem);
    let mut failure = Failure::rejected(summary);
    set_path(&mut failure, &error.path);
    failure
}

pub(super) fn set_path(failure: &mut Failure, path: &Path) {
    for remark in &mut failure.remarks {
        remark.path = path.clone();
    }
}

/// The only reason for a refusal that is neither the provider's nor the user's.
fn unknown_type(kind: &str) -> Failure {
    Failure::rejected(format!("the provider was not opened for `{kind}`. This is a bug in gov."))
}

impl TypeSchema {
    pub(super) fn encode(&self, value: &Value) -> Result<Option<DynamicValue>, Failure> {
        value::encode(value, &self.ty).map(Some).map_err(|error| unfit(&error))
    }

    /// A value of the provider as it may be kept, marked; none where it is null.
    pub(super) fn receive(
        &self,
        encoded: Option<&DynamicValue>,
    ) -> Result<Option<Value>, ConvertError> {
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

    pub(super) fn meta(&self) -> Option<DynamicValue> {
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
    pub(super) async fn validate_once(
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
}

fn digest(kind: &str, config: Option<&DynamicValue>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(kind.as_bytes());
    hasher.update([0]);
    hasher.update(config.map(|config| config.msgpack.as_slice()).unwrap_or_default());
    hasher.finalize().into()
}

/// An object that exists has nothing left to be told.
pub(super) fn known(value: &Value) -> Result<(), Failure> {
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

#[cfg(test)]
mod tests {
    use tfplugin::wire;

    use super::path;

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
