//! AWS's offer files as JSON, in one pass: products come before terms, so that of the products only
//! those are kept that some rule takes, and of the terms only theirs are looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;
use std::marker::PhantomData;

use serde::de::DeserializeSeed;
use serde::de::Deserializer;
use serde::de::Error as _;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::Visitor;

use super::Collector;
use super::ImportError;
use super::Imported;
use super::OfferRow;
use super::Offers;
use super::offer::Matched;
use super::offer::attribute_name;
use super::offer::meter;

/// Products kept. All of one provider in one region that a mapping reads are far fewer.
const PRODUCTS_MAX: usize = 2_000_000;

/// Reads an offer file. Terms other than on-demand are skipped.
///
/// # Errors
/// [`ImportError`].
pub fn import(input: impl BufRead, offers: &Offers<'_>) -> Result<Imported, ImportError> {
    let mut collector = Collector::new();
    let mut reader = serde_json::Deserializer::from_reader(input);
    let file = File { offers, collector: &mut collector };
    file.deserialize(&mut reader).map_err(|error| {
        if error.is_io() {
            ImportError::Io(error.into())
        } else {
            ImportError::Format(error.to_string())
        }
    })?;
    collector.finish()
}

/// A product without its price, and the rule that takes it.
type Products<'m> = BTreeMap<String, (OfferRow, Matched<'m>)>;

/// The attributes that units are made from; of the others nothing is needed once the key is there.
const KEPT: [&str; 2] = ["meter", "productfamily"];

struct File<'f, 'm> {
    offers: &'f Offers<'m>,
    collector: &'f mut Collector,
}

impl<'de> DeserializeSeed<'de> for File<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, 'm> Visitor<'de> for File<'_, 'm> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an AWS offer file")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut products = None;
        let mut terms = false;
        let mut service = String::new();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "offerCode" => service = map.next_value()?,
                "products" => {
                    let keep = |sku: String, product: Product, kept: &mut Products<'m>| {
                        if kept.len() >= PRODUCTS_MAX {
                            return Err(format!("more than {PRODUCTS_MAX} products"));
                        }
                        if self.offers.reads(product.service(&service)) {
                            let mut row = product.row(&service);
                            if let Some(matched) = self.offers.find(&row) {
                                row.attributes.retain(|name, _| KEPT.contains(&name.as_str()));
                                kept.insert(sku, (row, matched));
                            }
                        }
                        Ok(())
                    };
                    products = Some(map.next_value_seed(Members(keep, PhantomData))?);
                }
                "terms" => {
                    let Some(products) = &products else {
                        return Err(A::Error::custom("its terms come before its products"));
                    };
                    let seed = Terms { products, offers: self.offers, collector: self.collector };
                    map.next_value_seed(seed)?;
                    terms = true;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if terms { Ok(()) } else { Err(A::Error::custom("it has no terms")) }
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    #[serde(default)]
    product_family: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

impl Product {
    fn service<'p>(&'p self, offer_code: &'p str) -> &'p str {
        self.attributes.get("servicecode").map_or(offer_code, String::as_str)
    }

    fn row(self, offer_code: &str) -> OfferRow {
        let service = self.service(offer_code).to_owned();
        let mut attributes: BTreeMap<String, String> =
            self.attributes.into_iter().map(|(name, v)| (attribute_name(&name), v)).collect();
        let meter = meter(attributes.get("usagetype").map_or("", String::as_str)).to_owned();
        attributes.insert("meter".to_owned(), meter);
        attributes.insert("productfamily".to_owned(), self.product_family);
        let region = attributes.get("regioncode").cloned().unwrap_or_default();
        OfferRow { service, region, attributes, ..OfferRow::default() }
    }
}

/// The members of a map, each handed on as it is read.
struct Members<'m, F>(F, PhantomData<&'m ()>);

impl<'de, 'm, F> DeserializeSeed<'de> for Members<'m, F>
where
    F: FnMut(String, Product, &mut Products<'m>) -> Result<(), String>,
{
    type Value = Products<'m>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Products<'m>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, 'm, F> Visitor<'de> for Members<'m, F>
where
    F: FnMut(String, Product, &mut Products<'m>) -> Result<(), String>,
{
    type Value = Products<'m>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("products by their number")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Products<'m>, A::Error> {
        let mut kept = Products::new();
        while let Some((sku, product)) = map.next_entry::<String, Product>()? {
            (self.0)(sku, product, &mut kept).map_err(A::Error::custom)?;
        }
        Ok(kept)
    }
}

struct Terms<'f, 'm> {
    products: &'f Products<'m>,
    offers: &'f Offers<'m>,
    collector: &'f mut Collector,
}

impl<'de> DeserializeSeed<'de> for Terms<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Terms<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("terms by their kind")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(kind) = map.next_key::<String>()? {
            if kind == "OnDemand" {
                let Self { products, offers, .. } = self;
                let collector = &mut *self.collector;
                map.next_value_seed(OnDemand { products, offers, collector })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct OnDemand<'f, 'm> {
    products: &'f Products<'m>,
    offers: &'f Offers<'m>,
    collector: &'f mut Collector,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    #[serde(default)]
    price_dimensions: BTreeMap<String, Dimension>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimension {
    #[serde(default)]
    unit: String,
    #[serde(default)]
    begin_range: String,
    #[serde(default)]
    price_per_unit: BTreeMap<String, String>,
}

impl<'de> DeserializeSeed<'de> for OnDemand<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OnDemand<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("terms by product")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(sku) = map.next_key::<String>()? {
            let Some((product, matched)) = self.products.get(&sku) else {
                map.next_value::<IgnoredAny>()?;
                self.collector.skip();
                continue;
            };
            for term in map.next_value::<BTreeMap<String, Term>>()?.into_values() {
                for (rate, dimension) in term.price_dimensions {
                    for (currency, price) in dimension.price_per_unit {
                        let row = OfferRow {
                            unit: dimension.unit.clone(),
                            tier_start: dimension.begin_range.clone(),
                            place: rate.clone(),
                            price,
                            currency,
                            ..product.clone()
                        };
                        self.offers.price(&row, matched, self.collector);
                    }
                }
            }
        }
        Ok(())
    }
}
