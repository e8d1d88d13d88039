//! Small lists in the layouts of their publishers, and what becomes of each of their rows.

use rust_decimal::Decimal;

use super::Imported;
use super::Offers;
use super::Reason;
use super::aws_offer_csv;
use super::aws_offer_json;
use super::compare;
use super::focus_bill;
use super::genai_prices;
use super::offer::meter;
use super::plain_csv;
use crate::cost::book::Book;
use crate::cost::book::Provenance;
use crate::cost::book::write;
use crate::cost::shipped;

const PROVENANCE: &str = "id = \"i\"\nprovider = \"aws\"\ndescription = \"d\"\n[source.list]\n\
                          origin = \"o\"\nas_of = \"2026-01-01\"\nlicence = \"l\"\n";

fn lines(imported: &Imported) -> Vec<String> {
    let text = String::from_utf8(write(&imported.rows)).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

fn offers(run: impl Fn(&Offers<'_>) -> Imported) -> Imported {
    let mappings = shipped::mappings().unwrap();
    run(&Offers::new(&mappings[0], "list"))
}

#[test]
fn regions_are_cut_off_meters_and_nothing_else_is() {
    for (usage_type, want) in [
        ("EU-NatGateway-Hours", "NatGateway-Hours"),
        ("USE2-BoxUsage:m5.large", "BoxUsage:m5.large"),
        ("APS1-Lambda-GB-Second", "Lambda-GB-Second"),
        ("NatGateway-Hours", "NatGateway-Hours"),
        ("VPN-Usage-Hours:ipsec.1", "VPN-Usage-Hours:ipsec.1"),
        ("ENI-Hours:TrafficMirroring", "ENI-Hours:TrafficMirroring"),
    ] {
        assert_eq!(meter(usage_type), want);
    }
}

#[test]
fn an_offer_file_in_json_is_filtered_by_the_mapping() {
    let product = |sku: &str, size: &str, capacity: &str| {
        format!(
            r#""{sku}":{{"sku":"{sku}","productFamily":"Compute Instance","attributes":{{
            "servicecode":"AmazonEC2","regionCode":"eu-west-1","instanceType":"{size}",
            "operatingSystem":"Linux","tenancy":"Shared","capacitystatus":"{capacity}",
            "preInstalledSw":"NA","licenseModel":"No License required",
            "usagetype":"EU-BoxUsage:{size}"}}}}"#
        )
    };
    let term = |sku: &str, price: &str| {
        format!(
            r#""{sku}":{{"{sku}.J":{{"priceDimensions":{{"{sku}.J.6":{{"unit":"Hrs",
            "beginRange":"0","endRange":"Inf","pricePerUnit":{{"USD":"{price}"}}}}}}}}}}"#
        )
    };
    let json = format!(
        r#"{{"formatVersion":"v1.0","offerCode":"AmazonEC2","products":{{{},{},{},{},{}}},
        "terms":{{"OnDemand":{{{},{},{},{},{}}},"Reserved":{{"x":[1,2]}}}}}}"#,
        product("A", "m5.large", "Used"),
        product("B", "m5.large", "AllocatedCapacityReservation"),
        product("C", "c5.large", "Used"),
        product("D", "r5.large", "Used"),
        product("E", "r5.large", "Used"),
        term("A", "0.1070000000"),
        term("B", "0.0000000000"),
        term("C", "0.0000000000"),
        term("D", "0.1410000000"),
        term("E", "0.1510000000")
    );
    let imported = offers(|offers| aws_offer_json(json.as_bytes(), offers).unwrap());
    assert_eq!(
        lines(&imported),
        ["aws/AmazonEC2/eu-west-1/compute?instance_type=m5.large&os=linux&tenancy=shared,hour,1,\
          0,resource,0.107,USD,,,,list#A.J.6"]
    );
    assert_eq!(imported.skipped, 1);
    assert_eq!(imported.quarantined[&Reason::Zero], 1);
    assert_eq!(imported.quarantined[&Reason::Ambiguous], 1);
    assert!(offers_fail(b"[]") && offers_fail(b"{}") && offers_fail(b"{\"terms\":{}}"));
}

fn offers_fail(json: &[u8]) -> bool {
    let mappings = shipped::mappings().unwrap();
    aws_offer_json(json, &Offers::new(&mappings[0], "list")).is_err()
}

#[test]
fn an_offer_file_in_csv_gives_tiers() {
    let csv = "\"FormatVersion\",\"v1.0\"\n\"Disclaimer\",\"x\"\n\"Publication Date\",\"x\"\n\
               \"Version\",\"x\"\n\"OfferCode\",\"AWSLambda\"\n\
               \"SKU\",\"RateCode\",\"TermType\",\"StartingRange\",\"Unit\",\"PricePerUnit\",\
               \"Currency\",\"serviceCode\",\"Region Code\",\"usageType\"\n\
               A,A.1,OnDemand,0,Requests,0.0000002,USD,AWSLambda,us-east-1,Request\n\
               B,B.1,OnDemand,0,Second,0.0000166667,USD,AWSLambda,us-east-1,Lambda-GB-Second\n\
               B,B.2,OnDemand,6000000000,Second,0.000015,USD,AWSLambda,us-east-1,Lambda-GB-Second\n\
               C,C.1,Reserved,0,Hrs,1,USD,AWSLambda,us-east-1,Other\n";
    let imported = offers(|offers| aws_offer_csv(csv.as_bytes(), offers).unwrap());
    let found = lines(&imported);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[1].ends_with("GB-second,1,6000000000,account,0.000015,USD,,,,list#B.2"));
    Book::new(Provenance::parse(PROVENANCE).unwrap(), imported.rows).unwrap();
}

#[test]
fn a_bill_gives_the_contracted_price() {
    let csv = "ChargeCategory,x_ServiceCode,x_UsageType,RegionId,ListUnitPrice,\
               ContractedUnitPrice,PricingUnit,BillingCurrency,SkuPriceId\n\
               Usage,AmazonEC2,EU-NatGateway-Hours,eu-west-1,0.048,0.04,Hrs,USD,S.1\n\
               Tax,AmazonEC2,EU-NatGateway-Hours,eu-west-1,0.048,0.04,Hrs,USD,S.1\n";
    let imported = offers(|offers| focus_bill(csv.as_bytes(), offers).unwrap());
    assert_eq!(
        lines(&imported),
        ["aws/AmazonEC2/eu-west-1/usage?usagetype=NatGateway-Hours,hour,1,0,resource,0.04,USD,,,,\
          list#S.1"]
    );
}

#[test]
fn a_table_of_ones_own_needs_four_columns() {
    let csv = "price,currency,key,unit\n1.5,USD,own/a/b/c?d=e,hour\nmany,USD,own/a/b/c?d=f,hour\n";
    let imported = plain_csv(csv.as_bytes(), "list").unwrap();
    assert_eq!(lines(&imported), ["own/a/b/c?d=e,hour,1,0,resource,1.5,USD,,,,list"]);
    assert_eq!(imported.quarantined[&Reason::NotANumber], 1);
    assert!(plain_csv(&b"price,key\n"[..], "list").is_err());
}

/// G20: token prices are read from their text, dated, and at the dearest where they step up.
#[test]
fn g20_token_prices_are_exact_and_dated() {
    let json = r#"[{"id":"p","name":"P","models":[
        {"id":"a","match":{"equals":"a"},"prices":{"input_mtok":0.159,"output_mtok":1.59e-1,
         "requests_kcount":3}},
        {"id":"b","prices":{"input_mtok":{"base":1.25,"tiers":[{"start":200000,"price":2.5}]}}},
        {"id":"c","prices":[{"prices":{"input_mtok":3}},
         {"constraint":{"start_date":"2026-02-01"},"prices":{"input_mtok":2}},
         {"constraint":{"start_time":"16:30:00Z","end_time":"00:30:00Z"},
          "prices":{"input_mtok":1}}]},
        {"id":"d","prices":[{"constraint":{"weekday":1},"prices":{"input_mtok":1}}]},
        {"id":"free","prices":{"input_mtok":0}}]}]"#;
    let imported = genai_prices(json.as_bytes(), "list").unwrap();
    let found = lines(&imported);
    let want = |row: &str| assert!(found.iter().any(|line| line.contains(row)), "{row} {found:?}");
    want("llm/p/global/tokens?kind=input&model=a,token,1000000,0,resource,0.159,USD,,,");
    want("kind=output&model=a,token,1000000,0,resource,0.159,USD");
    want("kind=input&model=b,token,1000000,0,resource,2.5,USD");
    want("model=c,token,1000000,0,resource,3,USD,,2026-02-01,");
    want("model=c,token,1000000,0,resource,2,USD,2026-02-01,,");
    assert_eq!(found.len(), 5);
    assert_eq!(imported.quarantined[&Reason::Zero], 1);
    assert_eq!(imported.quarantined[&Reason::Conditional], 1);
    Book::new(Provenance::parse(PROVENANCE).unwrap(), imported.rows).unwrap();
}

#[test]
fn large_moves_have_to_be_accepted() {
    let rows = |prices: &[(&str, &str)]| {
        let table: String =
            prices.iter().map(|(key, price)| format!("{key},hour,{price},USD\n")).collect();
        let table = format!("key,unit,price,currency\n{table}");
        plain_csv(table.as_bytes(), "list").unwrap().rows
    };
    let old = rows(&[("a", "1"), ("b", "2"), ("c", "3")]);
    let before = Book::new(Provenance::parse(PROVENANCE).unwrap(), old).unwrap();
    let small = compare(&before, &rows(&[("a", "1.1"), ("b", "2"), ("d", "1")]), Decimal::TEN);
    assert_eq!((small.added.len(), small.removed.len(), small.changed.len()), (1, 1, 1));
    assert_eq!(small.changed[0].percent.unwrap().to_string(), "10");
    assert!(!small.needs_acceptance());
    assert!(compare(&before, &rows(&[("a", "0.5")]), Decimal::TEN).needs_acceptance());
}
