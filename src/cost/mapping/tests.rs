//! A mapping read whole, and every way in which one is refused.

use std::collections::BTreeMap;

use super::Mapping;
use super::key;
use crate::diagnostic::Source;

fn parse(text: &str) -> Result<Mapping, String> {
    let source = Source::new("cost.toml", format!("provider = \"aws\"\n{text}"));
    Mapping::parse(&source).map_err(|diagnostics| {
        let lines: Vec<String> =
            diagnostics.into_sorted().iter().map(ToString::to_string).collect();
        lines.join("\n")
    })
}

const VOLUME: &str = r#"
[free]
aws_iam_role = "IAM has no charge"

[table.class]
gp2 = "SSD"

[[resource]]
types = ["aws_ebs_volume", "aws_ebs_copy"]
service = "AmazonEC2"
let = { type = "type ?? assumed('gp2')", class = "lookup('class', type, 'HDD')" }
ref.snapshot = { attribute = "snapshot_id", types = ["aws_ebs_snapshot"], by = ["snapshot_id"] }

[[resource.component]]
id = "storage"
name = "Storage ({class}, {type})"
usagetype = "EBS:VolumeUsage.{type}"
unit = "GB-month"
quantity = "size ?? assumed(8)"
"#;

#[test]
fn a_mapping_is_read_whole() {
    let mapping = parse(VOLUME).unwrap();
    assert_eq!(mapping.provider, "aws");
    assert_eq!(mapping.free.len(), 1);
    assert_eq!(mapping.resources.len(), 2);
    let volume = &mapping.resources["aws_ebs_volume"];
    assert_eq!(volume.definitions.len(), 2);
    assert_eq!(volume.components[0].family, "usage");
    assert!(mapping.referable()["aws_ebs_snapshot"].contains("snapshot_id"));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (from, to, want) in [
        ("size ?? assumed(8)", "size +", "cost.toml:20:19: invalid expression [E001]"),
        ("unit = \"GB-month\"", "", "needs `id`, `unit`"),
        ("id = \"storage\"", "id = 1", "text is wanted here"),
        ("service = \"AmazonEC2\"", "servce = \"AmazonEC2\"", "`servce` has no meaning here"),
        ("lookup('class'", "lookup('clas'", "no table `clas`"),
        ("type ?? assumed('gp2')", "class", "`type` uses `class`, which is defined after it"),
        ("aws_iam_role", "aws_ebs_copy", "aws_ebs_copy is mapped twice"),
        ("ref.snapshot", "ref.usage", "`usage` has a meaning of its own"),
        ("[free]", "[free", "invalid TOML"),
        ("usagetype = \"EBS:VolumeUsage.{type}\"", "", "needs a `key`"),
    ] {
        let message = parse(&VOLUME.replace(from, to)).unwrap_err();
        assert!(message.contains(want), "{to}: {message}");
    }
}

#[test]
fn keys_cannot_be_forged_by_values() {
    let parts = BTreeMap::from([("a", "1&b=2".to_owned()), ("c", "x/y".to_owned())]);
    assert_eq!(key("aws", "S", "r", "usage", &parts), "aws/S/r/usage?a=1%26b%3D2&c=x%2Fy");
}
