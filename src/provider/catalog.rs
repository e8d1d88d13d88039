//! stub
use crate::provider::Provider;
use std::sync::Arc;
#[derive(Debug, thiserror::Error)]
#[error("unknown")]
pub enum CatalogError {
    Unknown,
}
pub struct Catalog;
impl Catalog {
    pub fn open(&self, source: &str) -> Result<Arc<dyn Provider>, CatalogError> {
        let _ = source;
        Err(CatalogError::Unknown)
    }
}
