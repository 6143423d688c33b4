//! A dump on disk, in the layout of `mongodump`: what it writes we read, and what we write `mongorestore` reads.
//!
//! ```text
//! dump/<database>/<collection>.bson            documents, one after the other
//!                /<collection>.metadata.json   options and indexes, for `mongorestore`
//! layout.bson                                  the same of all collections, as we read it
//! ```

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use bson::raw::RawDocument;
use switchback_model::Digest;

use super::layout::Shape;
use super::wire;

/// The directory of a dump.
pub(super) const DUMP: &str = "dump";
/// The same while it is written.
pub(super) const UNFINISHED: &str = "dump.part";
/// The file with what collections are beside their documents.
pub(super) const LAYOUT: &str = "layout.bson";
const DOCUMENTS: &str = "bson";
const METADATA: &str = "metadata.json";
/// Names that are longer are cut: a file's name has 255 bytes at most, with its endings.
const LONGEST: usize = 200;

/// Where one collection of a dump lies.
#[derive(Clone, Debug)]
pub(super) struct Place {
    directory: PathBuf,
    file: String,
}

impl Place {
    /// The place of `collection` in the dump that begins at `root`.
    pub(super) fn of(root: &Path, database: &str, collection: &str) -> Self {
        Self {
            directory: root.join(escaped(database)),
            file: escaped(collection),
        }
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.directory.join(format!("{}.{ending}", self.file))
    }

    /// Begins a file of documents.
    pub(super) fn create(&self) -> io::Result<BufWriter<File>> {
        fs::create_dir_all(&self.directory)?;
        File::create(self.path(DOCUMENTS)).map(|file| BufWriter::with_capacity(1 << 20, file))
    }

    /// Writes down what the collection is beside its documents.
    pub(super) fn describe(&self, name: &str, shape: &Shape) -> io::Result<()> {
        let text = format!("{}\n", shape.to_json(name));
        let mut file = File::create(self.path(METADATA))?;
        file.write_all(text.as_bytes())
    }

    /// Hands over every document.
    pub(super) fn each<E: From<io::Error>>(
        &self,
        mut hear: impl FnMut(&RawDocument) -> Result<(), E>,
    ) -> Result<(), E> {
        let file = File::open(self.path(DOCUMENTS))?;
        let mut file = BufReader::with_capacity(1 << 20, file);
        let mut document = Vec::new();
        loop {
            let mut four = [0; 4];
            if !fill(&mut file, &mut four)? {
                return Ok(());
            }
            let length = wire::length(&four).ok_or_else(damaged)?;
            document.clear();
            document.extend(four);
            document.resize(length, 0);
            file.read_exact(&mut document[4..])?;
            let whole = RawDocument::from_bytes(&document).map_err(|_| damaged())?;
            hear(whole)?;
        }
    }
}

/// Fills the buffer; false where there is nothing more.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    let first = loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    if first == 0 {
        return Ok(false);
    }
    file.read_exact(&mut buffer[first..]).map(|()| true)
}

fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "what should be a document is none",
    )
}

/// A name that every filesystem takes, and that no two collections share.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.~$".contains(&byte);
    let mut escaped = String::new();
    for byte in name.bytes() {
        if plain(byte) {
            escaped.push(byte as char);
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    if escaped.starts_with('.') {
        escaped.replace_range(..1, "%2E");
    }
    if escaped.len() > LONGEST {
        escaped.truncate(LONGEST);
        escaped.push_str(&format!("%24{}", Digest::of(name).short()));
    }
    escaped
}

#[cfg(test)]
mod tests {
    use bson::doc;
    use bson::raw::RawDocumentBuf;

    use super::*;

    #[test]
    fn names_stay_apart_and_inside_their_directory() {
        assert_eq!(escaped("action_execution_d_b"), "action_execution_d_b");
        assert_eq!(escaped("fs.chunks"), "fs.chunks");
        assert_eq!(escaped("../ä"), "%2E.%2F%C3%A4");
        let (one, two) = ("x".repeat(250), "x".repeat(251));
        assert!(escaped(&one).len() < 230);
        assert_ne!(escaped(&one), escaped(&two));
    }

    #[test]
    fn documents_come_back_as_they_went_and_half_a_one_is_told() {
        let root = tempfile::tempdir().expect("temporary directory");
        let place = Place::of(root.path(), "st2", "rule_d_b");
        let documents: Vec<RawDocumentBuf> = (0..3)
            .map(|id| RawDocumentBuf::try_from(&doc! { "_id": id, "a": "b" }).expect("a document"))
            .collect();
        let mut file = place.create().expect("created");
        for document in &documents {
            file.write_all(document.as_bytes()).expect("written");
        }
        file.flush().expect("written");
        drop(file);
        place
            .describe("rule_d_b", &Shape::default())
            .expect("written");
        let mut heard = Vec::new();
        place
            .each(|document| {
                heard.push(document.to_owned());
                Ok::<_, io::Error>(())
            })
            .expect("read");
        assert_eq!(heard, documents);
        let path = place.path(DOCUMENTS);
        let bytes = fs::read(&path).expect("read");
        for wrong in [&bytes[..bytes.len() - 1], &bytes[..bytes.len() - 20]] {
            fs::write(&path, wrong).expect("written");
            assert!(place.each(|_| Ok::<_, io::Error>(())).is_err());
        }
        let path = place.path(METADATA);
        assert!(path.ends_with("st2/rule_d_b.metadata.json") && path.is_file());
    }
}
