//! One typed client for both protocol versions.
//!
//! [`Client`] has a method for each call. It takes and returns the messages of [`crate::wire`] and
//! does three things beyond sending them: it bounds the time, it says what a failure means for the
//! caller ([`CallError::class`]), and it refuses answers that put a change off, which no caller
//! here can deal with. Diagnostics are part of an answer and not a failure: read them.
//!
//! It never repeats a call and never connects a second time. Dropping the future of a call cancels
//! the call at the plugin; for one with an effect, ask with [`Client::stop_provider`] instead and
//! wait for the answer, as it tells what had been done.

mod call;
mod connection;
mod deadline;
mod schema_document;

use std::fmt;

use prost::Message;
use prost::bytes::Bytes;
use rustls::ClientConfig;
use tonic::client::Grpc;

pub use self::call::CallError;
pub use self::call::Code;
pub use self::call::StdioStream;
pub use self::connection::ConnectError;
pub use self::deadline::Deadlines;
pub use self::schema_document::SchemaDocument;
pub use self::schema_document::SchemaError;

use self::connection::Http2;
use crate::exit::ExitWatch;
use crate::handshake::Address;
use crate::protocol::Method;
use crate::protocol::Protocol;
use crate::wire;
use crate::wire::Deferred;

/// The longest message in either direction. Terraform's own limit: the schema of the AWS provider
/// is 5 MiB, over the 4 MiB that gRPC libraries allow unless told otherwise.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a client needs to know before it connects.
#[derive(Debug)]
pub struct Endpoint {
    /// The version agreed on.
    pub protocol: Protocol,
    /// Where the plugin listens.
    pub address: Address,
    /// How to encrypt, if the plugin sent a certificate.
    pub tls: Option<ClientConfig>,
    /// How long calls may take.
    pub deadlines: Deadlines,
    /// Tells of the end of the plugin process, where this host started it.
    pub exit: Option<ExitWatch>,
}

/// A connection to one plugin. Clones share it; it closes with the last of them.
#[derive(Clone)]
pub struct Client {
    protocol: Protocol,
    grpc: Grpc<Http2>,
    /// The connection that `grpc` sends over.
    http2: Http2,
    deadlines: Deadlines,
    exit: Option<ExitWatch>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects. The plugin must have been started already.
    pub async fn connect(endpoint: Endpoint) -> Result<Self, ConnectError> {
        let http2 = connection::connect(endpoint.address, endpoint.tls).await?;
        let grpc = Grpc::with_origin(http2.clone(), connection::origin())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Ok(Self {
            protocol: endpoint.protocol,
            grpc,
            http2,
            deadlines: endpoint.deadlines,
            exit: endpoint.exit,
        })
    }

    /// The version spoken.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// All schemas, indexed and still encoded. Unless the provider has
    /// `get_provider_schema_optional`, this must be the first call to each plugin process.
    pub async fn get_provider_schema(&self) -> Result<SchemaDocument, GetSchemaError> {
        let bytes = self.get_provider_schema_bytes().await?;
        Ok(SchemaDocument::parse(self.protocol, bytes)?)
    }

    /// All schemas as the bytes that the plugin sent, to be kept or thrown away unread.
    pub async fn get_provider_schema_bytes(&self) -> Result<Bytes, CallError> {
        self.call_bytes(Method::GetProviderSchema, Bytes::new()).await
    }

    /// The pieces of what the plugin writes to its redirected standard output and error, or `None`
    /// where it has no such stream. To be asked for once, and read until it ends, or the plugin
    /// blocks when it has written much. The answer may only come with the first piece, so there is
    /// no deadline.
    pub async fn stdio(&self) -> Result<Option<StdioStream>, CallError> {
        tolerate(self.stream(Method::StreamStdio).await)
    }

    /// Asks the plugin process to end. An error tells nothing: the process may end before it
    /// answers.
    pub async fn shutdown(&self) -> Result<(), CallError> {
        let wire::Empty {} = self.call(Method::Shutdown, &wire::Empty {}).await?;
        Ok(())
    }
}

/// Why there is no [`SchemaDocument`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetSchemaError {
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The answer is damaged.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl GetSchemaError {
    /// What the caller may do next.
    #[must_use]
    pub fn class(&self) -> crate::Class {
        match self {
            Self::Call(error) => error.class(),
            Self::Schema(error) => error.class(),
        }
    }
}

/// Writes one method per call. `optional` calls are missing from older providers and then answer
/// `None`; answers to `deferrable` calls are refused if they put the matter off.
macro_rules! calls {
    ($( $(#[$doc:meta])* $kind:ident $name:ident = $method:ident
        ( $($request:ident)? ) -> $response:ident; )*) => {
        impl Client {
            $( calls!(@one $(#[$doc])* $kind $name $method ($($request)?) $response); )*
        }
    };
    (@one $(#[$doc:meta])* plain $name:ident $method:ident ($request:ident) $response:ident) => {
        $(#[$doc])*
        pub async fn $name(
            &self,
            request: &wire::$request,
        ) -> Result<wire::$response, CallError> {
            self.call(Method::$method, request).await
        }
    };
    (@one $(#[$doc:meta])* plain $name:ident $method:ident () $response:ident) => {
        $(#[$doc])*
        pub async fn $name(&self) -> Result<wire::$response, CallError> {
            self.call(Method::$method, &wire::Empty {}).await
        }
    };
    (@one $(#[$doc:meta])* deferrable $name:ident $method:ident ($request:ident)
        $response:ident) => {
        $(#[$doc])*
        pub async fn $name(
            &self,
            request: &wire::$request,
        ) -> Result<wire::$response, CallError> {
            let response: wire::$response = self.call(Method::$method, request).await?;
            refuse_deferral(Method::$method, response.deferred.as_ref())?;
            Ok(response)
        }
    };
    (@one $(#[$doc:meta])* optional $name:ident $method:ident ($request:ident)
        $response:ident) => {
        $(#[$doc])*
        pub async fn $name(
            &self,
            request: &wire::$request,
        ) -> Result<Option<wire::$response>, CallError> {
            tolerate(self.call(Method::$method, request).await)
        }
    };
    (@one $(#[$doc:meta])* optional $name:ident $method:ident () $response:ident) => {
        $(#[$doc])*
        pub async fn $name(&self) -> Result<Option<wire::$response>, CallError> {
            tolerate(self.call(Method::$method, &wire::Empty {}).await)
        }
    };
}

calls! {
    /// Which types the provider has.
    optional get_metadata = GetMetadata() -> GetMetadataResponse;
    /// The schemas of resource identities.
    optional get_resource_identity_schemas =
        GetResourceIdentitySchemas() -> GetResourceIdentitySchemasResponse;
    /// Checks a provider configuration. Changes nothing, so it may run beside other calls.
    plain validate_provider_config = ValidateProviderConfig(ValidateProviderConfigRequest)
        -> ValidateProviderConfigResponse;
    /// Checks a resource configuration.
    plain validate_resource_config = ValidateResourceConfig(ValidateResourceConfigRequest)
        -> ValidateResourceConfigResponse;
    /// Checks a data source configuration.
    plain validate_data_resource_config =
        ValidateDataResourceConfig(ValidateDataResourceConfigRequest)
        -> ValidateDataResourceConfigResponse;
    /// Checks an ephemeral resource configuration.
    plain validate_ephemeral_resource_config =
        ValidateEphemeralResourceConfig(ValidateEphemeralResourceConfigRequest)
        -> ValidateEphemeralResourceConfigResponse;
    /// Configures the provider. Due once, before any call on a resource or data source.
    plain configure_provider = ConfigureProvider(ConfigureProviderRequest)
        -> ConfigureProviderResponse;
    /// Brings stored state to the current schema.
    plain upgrade_resource_state = UpgradeResourceState(UpgradeResourceStateRequest)
        -> UpgradeResourceStateResponse;
    /// Brings a stored identity to the current identity schema.
    optional upgrade_resource_identity = UpgradeResourceIdentity(UpgradeResourceIdentityRequest)
        -> UpgradeResourceIdentityResponse;
    /// Reads the real thing.
    deferrable read_resource = ReadResource(ReadResourceRequest) -> ReadResourceResponse;
    /// Asks what a change would look like.
    deferrable plan_resource_change = PlanResourceChange(PlanResourceChangeRequest)
        -> PlanResourceChangeResponse;
    /// Performs a change. See [`CallError::class`] for what a failure leaves open.
    plain apply_resource_change = ApplyResourceChange(ApplyResourceChangeRequest)
        -> ApplyResourceChangeResponse;
    /// Finds an existing thing.
    deferrable import_resource_state = ImportResourceState(ImportResourceStateRequest)
        -> ImportResourceStateResponse;
    /// Takes over the state of another resource type.
    optional move_resource_state = MoveResourceState(MoveResourceStateRequest)
        -> MoveResourceStateResponse;
    /// Writes a configuration that would give a state.
    optional generate_resource_config = GenerateResourceConfig(GenerateResourceConfigRequest)
        -> GenerateResourceConfigResponse;
    /// Reads a data source.
    deferrable read_data_source = ReadDataSource(ReadDataSourceRequest) -> ReadDataSourceResponse;
    /// The signatures of the provider's functions.
    optional get_functions = GetFunctions() -> GetFunctionsResponse;
    /// Calls a function. Works on an unconfigured provider.
    plain call_function = CallFunction(CallFunctionRequest) -> CallFunctionResponse;
    /// Obtains a short-lived thing.
    deferrable open_ephemeral_resource = OpenEphemeralResource(OpenEphemeralResourceRequest)
        -> OpenEphemeralResourceResponse;
    /// Prolongs a short-lived thing.
    plain renew_ephemeral_resource = RenewEphemeralResource(RenewEphemeralResourceRequest)
        -> RenewEphemeralResourceResponse;
    /// Gives a short-lived thing back.
    plain close_ephemeral_resource = CloseEphemeralResource(CloseEphemeralResourceRequest)
        -> CloseEphemeralResourceResponse;
    /// Asks the provider to end what it is doing. Answers at once; calls under way then answer
    /// early, with what they had done. The provider is of no use afterwards.
    plain stop_provider = StopProvider() -> StopProviderResponse;
}

fn tolerate<T>(outcome: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match outcome {
        Ok(answer) => Ok(Some(answer)),
        Err(CallError::Unimplemented { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn refuse_deferral(method: Method, deferred: Option<&Deferred>) -> Result<(), CallError> {
    match deferred {
        None => Ok(()),
        Some(deferred) => Err(CallError::Deferred { method, reason: deferred.reason() }),
    }
}

impl Client {
    async fn call<Q, A>(&self, method: Method, request: &Q) -> Result<A, CallError>
    where
        Q: Message,
        A: Message + Default,
    {
        let bytes = self.call_bytes(method, Bytes::from(request.encode_to_vec())).await?;
        A::decode(bytes).map_err(|source| CallError::Malformed { method, source })
    }
}
