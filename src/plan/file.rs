//! A plan at rest: the file that `-o` writes and `--plan` reads.
//!
//! It holds the plan, its quote and both digests. Reading checks the version, recomputes the
//! digests and refuses anything that is not byte for byte what was written.

use serde::Deserialize;
use serde::Serialize;

use crate::model::cost::Quote;
use crate::model::digest::CanonicalError;
use crate::model::digest::Digest;
use crate::model::digest::canonical;
use crate::model::plan::PLAN_VERSION;
use crate::model::plan::Plan;

/// The most bytes a plan file may have. A plan of ten thousand resources has some 30 MB.
pub const PLAN_FILE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What a plan file says of itself first, so that anything else is recognised.
const FORMAT: &str = "gov-plan";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u32,
    intent_digest: Digest,
    file_digest: Digest,
    plan: Plan,
    quote: Quote,
}

/// Why a file is not a plan that can be applied.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// Something else.
    #[error("this is not a plan file: {0}")]
    Syntax(String),
    /// Written by another version of gov.
    #[error("the plan file has version {0}, and this gov reads version {PLAN_VERSION}; plan again")]
    Version(u32),
    /// Edited, or damaged.
    #[error("the plan file was changed after it was written; plan again")]
    Altered,
    /// A bug.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

/// The bytes of a plan file.
///
/// # Errors
/// [`CanonicalError`], which is a bug.
pub fn write(plan: &Plan, quote: &Quote) -> Result<Vec<u8>, CanonicalError> {
    canonical(&File {
        format: FORMAT.to_owned(),
        version: PLAN_VERSION,
        intent_digest: plan.intent_digest()?,
        file_digest: plan.file_digest()?,
        plan: plan.clone(),
        quote: quote.clone(),
    })
}

/// The plan in a file's bytes.
///
/// # Errors
/// [`PlanFileError`].
pub fn read(bytes: &[u8]) -> Result<(Plan, Quote), PlanFileError> {
    if bytes.len() > PLAN_FILE_BYTES_MAX {
        return Err(PlanFileError::Syntax(format!("it has more than {PLAN_FILE_BYTES_MAX} bytes")));
    }
    #[derive(Deserialize)]
    struct Head {
        format: String,
        version: u32,
    }
    let syntax = |error: serde_json::Error| PlanFileError::Syntax(error.to_string());
    let head: Head = serde_json::from_slice(bytes).map_err(syntax)?;
    if head.format != FORMAT {
        return Err(PlanFileError::Syntax(format!("its format is {:?}", head.format)));
    }
    if head.version != PLAN_VERSION {
        return Err(PlanFileError::Version(head.version));
    }
    let file: File = serde_json::from_slice(bytes).map_err(syntax)?;
    let unchanged = file.plan.file_digest()? == file.file_digest
        && file.plan.intent_digest()? == file.intent_digest
        && canonical(&file)? == bytes;
    if unchanged { Ok((file.plan, file.quote)) } else { Err(PlanFileError::Altered) }
}
