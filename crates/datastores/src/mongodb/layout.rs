//! What a database consists of beside its documents: collections with their options and indexes.

use std::collections::BTreeMap;

use bson::{Bson, Document, doc};
use switchback_engine::ports::Failure;

use super::client::Client;
use super::names;

/// A collection without its documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shape {
    /// What it was created with.
    pub(super) options: Document,
    /// Its indexes, by name.
    pub(super) indexes: BTreeMap<String, Document>,
}

/// Everything in a database.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    /// The product's collections.
    pub(super) collections: BTreeMap<String, Shape>,
    /// Names of collections that are ours.
    pub(super) ours: Vec<String>,
    /// What cannot be kept, one line each.
    pub(super) obstacles: Vec<String>,
}

impl Shape {
    /// True where the server itself removes documents when their time has come.
    pub(super) fn expires(&self) -> bool {
        let mut indexes = self.indexes.values();
        indexes.any(|index| index.contains_key("expireAfterSeconds"))
    }

    /// True where documents have to be of a form, which those that are there need not be.
    pub(super) fn validates(&self) -> bool {
        self.options.contains_key("validator")
    }

    /// The indexes that have to be made: the one of `_id` comes by itself.
    pub(super) fn to_make(&self) -> Vec<Bson> {
        let made = self.indexes.iter().filter(|(name, _)| *name != "_id_");
        made.map(|(_, index)| Bson::Document(index.clone()))
            .collect()
    }

    /// As `mongorestore` reads it from a `.metadata.json`.
    pub(super) fn to_json(&self, name: &str) -> String {
        json(&Bson::Document(doc! {
            "options": self.options.clone(),
            "indexes": self.all(),
            "uuid": "",
            "collectionName": name,
            "type": "collection",
        }))
    }

    fn all(&self) -> Vec<Bson> {
        let indexes = self.indexes.values().cloned();
        indexes.map(Bson::Document).collect()
    }

    /// As we read it again.
    fn to_document(&self, name: &str) -> Document {
        doc! { "name": name, "options": self.options.clone(), "indexes": self.all() }
    }

    fn from_document(document: &Document) -> Option<(String, Self)> {
        let indexes = document.get_array("indexes").ok()?.iter();
        let shape = Self {
            options: document.get_document("options").ok()?.clone(),
            indexes: indexes
                .filter_map(Bson::as_document)
                .map(named)
                .collect::<Option<_>>()?,
        };
        Some((document.get_str("name").ok()?.to_owned(), shape))
    }

    /// Whether both are the same, also in the order of what an index is made of.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let keys = |shape: &Self| {
            let indexes = shape.indexes.values();
            let keys = indexes.filter_map(|index| index.get_document("key").ok());
            keys.map(|key| key.keys().cloned().collect::<Vec<_>>())
                .collect::<Vec<_>>()
        };
        // Documents are equal in any order of their fields.
        self == other && keys(self) == keys(other)
    }
}

/// Extended JSON with fields in their order, which a map of JSON values would lose.
fn json(value: &Bson) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match value {
        Bson::Document(document) => {
            let fields = document.iter();
            let fields = fields.map(|(key, value)| format!("{}:{}", quoted(key), json(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Bson::Array(values) => {
            let values: Vec<String> = values.iter().map(json).collect();
            format!("[{}]", values.join(","))
        }
        other => other.clone().into_canonical_extjson().to_string(),
    }
}

/// Shapes by name, as one file holds them.
pub(super) fn written(
    collections: &BTreeMap<String, Shape>,
) -> Result<Vec<u8>, bson::error::Error> {
    let all = collections
        .iter()
        .map(|(name, shape)| Bson::Document(shape.to_document(name)));
    doc! { "collections": all.collect::<Vec<_>>() }.to_vec()
}

/// The other way round; `None` where it is something else.
pub(super) fn read(bytes: &[u8]) -> Option<BTreeMap<String, Shape>> {
    let document = Document::from_reader(bytes).ok()?;
    let all = document.get_array("collections").ok()?.iter();
    all.map(|shape| Shape::from_document(shape.as_document()?))
        .collect()
}

fn named(index: &Document) -> Option<(String, Document)> {
    let mut index = index.clone();
    // The collection's own name, which older servers write into each of its indexes.
    index.remove("ns");
    Some((index.get_str("name").ok()?.to_owned(), index))
}

impl Client<'_> {
    /// Looks at all of the database that is kept.
    pub(super) fn layout(&mut self) -> Result<Layout, Failure> {
        let database = self.database.clone();
        let mut layout = Layout::default();
        for found in self.all(&database, doc! { "listCollections": 1, "cursor": {} })? {
            let name = found.get_str("name").unwrap_or_default().to_owned();
            let kind = found.get_str("type").unwrap_or("collection");
            if name.starts_with("system.") {
                continue;
            }
            if names::is_ours(&name) {
                layout.ours.push(name);
            } else if kind != "collection" {
                let what = format!("`{name}` is a {kind}, and only collections are kept");
                layout.obstacles.push(what);
            } else {
                let options = found.get_document("options").cloned();
                let shape = self.shape(&name, options.unwrap_or_default())?;
                layout.collections.insert(name, shape);
            }
        }
        Ok(layout)
    }

    /// Looks at one collection whose options are known.
    fn shape(&mut self, name: &str, mut options: Document) -> Result<Shape, Failure> {
        options.remove("uuid");
        let database = self.database.clone();
        let indexes = self.all(&database, doc! { "listIndexes": name })?;
        Ok(Shape {
            options,
            indexes: indexes.iter().filter_map(named).collect(),
        })
    }

    /// Looks at one collection.
    pub(super) fn shape_of(&mut self, name: &str) -> Result<Option<Shape>, Failure> {
        let database = self.database.clone();
        let command = doc! { "listCollections": 1, "cursor": {}, "filter": { "name": name } };
        let Some(found) = self.all(&database, command)?.into_iter().next() else {
            return Ok(None);
        };
        let options = found.get_document("options").cloned().unwrap_or_default();
        self.shape(name, options).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_survive_their_file_with_the_order_of_their_keys_and_forget_where_they_were() {
        let index = |name: &str| doc! { "v": 2, "key": { "ref": 1, "at": -1 }, "name": name, "ns": "st2.a" };
        let mut expiring = index("at_1");
        expiring.insert("expireAfterSeconds", 60_i64);
        let shape = Shape {
            options: doc! { "capped": true, "size": 4096_i64 },
            indexes: [index("_id_"), expiring].iter().filter_map(named).collect(),
        };
        assert!(shape.expires() && !shape.validates());
        assert_eq!(shape.to_make().len(), 1);
        let all: BTreeMap<String, Shape> = [("a.b/c".to_owned(), shape.clone())].into();
        let again = read(&written(&all).expect("written")).expect("read");
        assert!(again["a.b/c"].is_same_as(&shape));
        assert!(!again["a.b/c"].indexes["_id_"].contains_key("ns"));
        let mut turned = shape.clone();
        let key = doc! { "at": -1, "ref": 1 };
        turned
            .indexes
            .get_mut("at_1")
            .expect("there")
            .insert("key", key);
        assert!(turned == shape && !turned.is_same_as(&shape));
        let json = shape.to_json("a");
        assert!(
            json.contains(r#""key":{"ref":{"$numberInt":"1"},"at":{"$numberInt":"-1"}}"#),
            "{json}"
        );
        assert_eq!(read(b"else"), None);
    }
}
