//! Schemas: the shape of a provider's configuration, of its resources and of its data sources.
//!
//! The field numbers here are those of version 6. In version 5 the fields of an attribute differ
//! (see `schema_v5.rs`), so a schema is only ever decoded through [`Schema::decode_as`].

use prost::DecodeError;
use prost::Message;

use super::schema_v5::SchemaV5;
use crate::protocol::Protocol;

/// The shape of one configuration block and the version of that shape.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Schema {
    /// Raised by the provider when stored state has to be upgraded.
    #[prost(int64, tag = "1")]
    pub version: i64,
    /// The top-level block.
    #[prost(message, optional, tag = "2")]
    pub block: Option<Block>,
}

impl Schema {
    /// Decodes a schema as the given version writes it.
    pub fn decode_as(protocol: Protocol, bytes: &[u8]) -> Result<Self, DecodeError> {
        match protocol {
            Protocol::V5 => SchemaV5::decode(bytes).map(Self::from),
            Protocol::V6 => Self::decode(bytes),
        }
    }
}

/// Attributes and nested blocks.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Block {
    /// Rarely set; [`Schema::version`] is the one that counts.
    #[prost(int64, tag = "1")]
    pub version: i64,
    /// The attributes.
    #[prost(message, repeated, tag = "2")]
    pub attributes: Vec<Attribute>,
    /// The nested blocks.
    #[prost(message, repeated, tag = "3")]
    pub block_types: Vec<NestedBlock>,
    /// For people.
    #[prost(string, tag = "4")]
    pub description: String,
    /// How the description is written.
    #[prost(enumeration = "StringKind", tag = "5")]
    pub description_kind: i32,
    /// Whether its use should be warned of.
    #[prost(bool, tag = "6")]
    pub deprecated: bool,
    /// What to use instead.
    #[prost(string, tag = "7")]
    pub deprecation_message: String,
}

/// One attribute. Its type is either `type` or `nested_type`, never both.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Attribute {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The type constraint in JSON, as in `["map","string"]`.
    #[prost(bytes = "vec", tag = "2")]
    pub r#type: Vec<u8>,
    /// For people.
    #[prost(string, tag = "3")]
    pub description: String,
    /// It must be configured.
    #[prost(bool, tag = "4")]
    pub required: bool,
    /// It may be configured.
    #[prost(bool, tag = "5")]
    pub optional: bool,
    /// The provider may fill it in.
    #[prost(bool, tag = "6")]
    pub computed: bool,
    /// It must not be shown.
    #[prost(bool, tag = "7")]
    pub sensitive: bool,
    /// How the description is written.
    #[prost(enumeration = "StringKind", tag = "8")]
    pub description_kind: i32,
    /// Whether its use should be warned of.
    #[prost(bool, tag = "9")]
    pub deprecated: bool,
    /// Attributes within the attribute; version 6 only.
    #[prost(message, optional, tag = "10")]
    pub nested_type: Option<Object>,
    /// It is configured and sent, yet always null in plan and state.
    #[prost(bool, tag = "11")]
    pub write_only: bool,
    /// What to use instead.
    #[prost(string, tag = "12")]
    pub deprecation_message: String,
}

/// A block within a block.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct NestedBlock {
    /// The name.
    #[prost(string, tag = "1")]
    pub type_name: String,
    /// What it holds.
    #[prost(message, optional, tag = "2")]
    pub block: Option<Block>,
    /// How often it may appear.
    #[prost(enumeration = "NestingMode", tag = "3")]
    pub nesting: i32,
    /// The least number of appearances.
    #[prost(int64, tag = "4")]
    pub min_items: i64,
    /// The greatest number of appearances; 0 for no limit.
    #[prost(int64, tag = "5")]
    pub max_items: i64,
}

/// The attributes of a structural attribute. Its numbers of items were never used and are not read.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Object {
    /// The attributes.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<Attribute>,
    /// How often it may appear; never [`NestingMode::Group`].
    #[prost(enumeration = "NestingMode", tag = "3")]
    pub nesting: i32,
}

/// How a nested block or structural attribute is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum NestingMode {
    /// Not given.
    Invalid = 0,
    /// At most once; null where absent.
    Single = 1,
    /// In an order.
    List = 2,
    /// Without an order and without duplicates.
    Set = 3,
    /// By key.
    Map = 4,
    /// Exactly once; an object of nulls where absent.
    Group = 5,
}

/// How a description is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum StringKind {
    /// As plain text.
    Plain = 0,
    /// In Markdown.
    Markdown = 1,
}

#[cfg(test)]
mod tests {
    use super::super::schema_v5::AttributeV5;
    use super::super::schema_v5::BlockV5;
    use super::super::schema_v5::NestedBlockV5;
    use super::*;

    #[test]
    fn field_ten_means_two_things() {
        let v5 = SchemaV5 {
            version: 3,
            block: Some(BlockV5 {
                attributes: vec![AttributeV5 {
                    name: "secret".to_owned(),
                    r#type: b"\"string\"".to_vec(),
                    optional: true,
                    write_only: true,
                    ..Default::default()
                }],
                block_types: vec![NestedBlockV5 {
                    type_name: "inner".to_owned(),
                    block: Some(BlockV5::default()),
                    nesting: NestingMode::Set as i32,
                    min_items: 1,
                    max_items: 2,
                }],
                ..Default::default()
            }),
        };
        let bytes = v5.encode_to_vec();
        Schema::decode(bytes.as_slice()).expect_err("field 10 is a message in version 6");

        let schema = Schema::decode_as(Protocol::V5, &bytes).unwrap();
        let block = schema.block.unwrap();
        assert_eq!(schema.version, 3);
        assert!(block.attributes[0].write_only);
        assert!(block.attributes[0].nested_type.is_none());
        assert_eq!(block.block_types[0].nesting(), NestingMode::Set);
        assert_eq!(block.block_types[0].max_items, 2);
    }

    #[test]
    fn version_six_nests_types() {
        let schema = Schema {
            version: 0,
            block: Some(Block {
                attributes: vec![Attribute {
                    name: "outer".to_owned(),
                    nested_type: Some(Object {
                        attributes: vec![Attribute { write_only: true, ..Default::default() }],
                        nesting: NestingMode::List as i32,
                    }),
                    ..Default::default()
                }],
                ..Default::default()
            }),
        };
        let bytes = schema.encode_to_vec();
        assert_eq!(Schema::decode_as(Protocol::V6, &bytes).unwrap(), schema);
    }
}
