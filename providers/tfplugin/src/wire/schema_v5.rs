//! Schemas as version 5 writes them.
//!
//! In version 5 field 10 of an attribute is `write_only`; in version 6 the same number is
//! `nested_type`, and `write_only` is 11. Reading one as the other is a decode error at best, so
//! these types exist to be decoded and turned into those of [`super::schema`] at once.

use prost::Message;

use super::schema::Attribute;
use super::schema::Block;
use super::schema::NestedBlock;
use super::schema::NestingMode;
use super::schema::Schema;
use super::schema::StringKind;

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct SchemaV5 {
    #[prost(int64, tag = "1")]
    pub(crate) version: i64,
    #[prost(message, optional, tag = "2")]
    pub(crate) block: Option<BlockV5>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct BlockV5 {
    #[prost(int64, tag = "1")]
    pub(crate) version: i64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) attributes: Vec<AttributeV5>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) block_types: Vec<NestedBlockV5>,
    #[prost(string, tag = "4")]
    pub(crate) description: String,
    #[prost(enumeration = "StringKind", tag = "5")]
    pub(crate) description_kind: i32,
    #[prost(bool, tag = "6")]
    pub(crate) deprecated: bool,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct AttributeV5 {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) r#type: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) description: String,
    #[prost(bool, tag = "4")]
    pub(crate) required: bool,
    #[prost(bool, tag = "5")]
    pub(crate) optional: bool,
    #[prost(bool, tag = "6")]
    pub(crate) computed: bool,
    #[prost(bool, tag = "7")]
    pub(crate) sensitive: bool,
    #[prost(enumeration = "StringKind", tag = "8")]
    pub(crate) description_kind: i32,
    #[prost(bool, tag = "9")]
    pub(crate) deprecated: bool,
    #[prost(bool, tag = "10")]
    pub(crate) write_only: bool,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct NestedBlockV5 {
    #[prost(string, tag = "1")]
    pub(crate) type_name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) block: Option<BlockV5>,
    #[prost(enumeration = "NestingMode", tag = "3")]
    pub(crate) nesting: i32,
    #[prost(int64, tag = "4")]
    pub(crate) min_items: i64,
    #[prost(int64, tag = "5")]
    pub(crate) max_items: i64,
}

impl From<SchemaV5> for Schema {
    fn from(schema: SchemaV5) -> Self {
        Self { version: schema.version, block: schema.block.map(Block::from) }
    }
}

impl From<BlockV5> for Block {
    fn from(block: BlockV5) -> Self {
        Self {
            version: block.version,
            attributes: block.attributes.into_iter().map(Attribute::from).collect(),
            block_types: block.block_types.into_iter().map(NestedBlock::from).collect(),
            description: block.description,
            description_kind: block.description_kind,
            deprecated: block.deprecated,
            deprecation_message: String::new(),
        }
    }
}

impl From<AttributeV5> for Attribute {
    fn from(attribute: AttributeV5) -> Self {
        Self {
            name: attribute.name,
            r#type: attribute.r#type,
            description: attribute.description,
            required: attribute.required,
            optional: attribute.optional,
            computed: attribute.computed,
            sensitive: attribute.sensitive,
            description_kind: attribute.description_kind,
            deprecated: attribute.deprecated,
            nested_type: None,
            write_only: attribute.write_only,
            deprecation_message: String::new(),
        }
    }
}

impl From<NestedBlockV5> for NestedBlock {
    fn from(nested: NestedBlockV5) -> Self {
        Self {
            type_name: nested.type_name,
            block: nested.block.map(Block::from),
            nesting: nested.nesting,
            min_items: nested.min_items,
            max_items: nested.max_items,
        }
    }
}
