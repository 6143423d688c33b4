//! From located images to the places where the product's version is written,
//! and to the edits that change it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use switchback_model::observed::{Observed, Pinning, VersionPlace};
use switchback_model::plan::FileEdit;
use switchback_model::{Problem, ServiceName, Version};

use super::edit::{self, Language, Replacement};
use super::interpolate::{Fragment, Origin, slice};
use super::places::Files;
use super::problems;
use crate::formats::reference::Reference;

/// A service's image, as Compose resolves it.
pub(super) struct Named<'a> {
    pub(super) service: &'a ServiceName,
    pub(super) image: &'a str,
    /// True where its tag is the product's version: the product's own image, or a companion.
    pub(super) versioned: bool,
    /// Version that the image's label tells, where the tag does not.
    pub(super) labelled: Option<String>,
}

/// The text that decides the version of a server, and what it shall be.
#[derive(Clone, Debug)]
pub(super) struct ServerTag {
    pub(super) place: VersionPlace,
    pub(super) to: String,
}

impl ServerTag {
    /// Finds the number in the tag of `service`'s image. No other service may be made from the same text.
    pub(super) fn find(
        files: &Files,
        all: &[Named<'_>],
        service: &ServiceName,
        to: &str,
    ) -> Result<Self, Problem> {
        let number = |tag: &str| {
            tag.find(|c: char| !c.is_ascii_digit() && c != '.')
                .or(Some(tag.len()))
        };
        let of_server = |named: &&Named<'_>| named.service == service;
        let named = all
            .iter()
            .find(of_server)
            .map(|named| Named {
                service: named.service,
                image: named.image,
                versioned: true,
                labelled: None,
            })
            .ok_or_else(|| problems::image_not_located(service, "", None))?;
        let others = all
            .iter()
            .filter(|named| !of_server(named))
            .map(|named| Named {
                service: named.service,
                image: named.image,
                versioned: false,
                labelled: None,
            });
        let services: Vec<Named<'_>> = std::iter::once(named).chain(others).collect();
        let found = find(files, &services, &number)?;
        if let Some(problem) = found.problems.into_iter().next() {
            return Err(problem);
        }
        let place = found.places.into_iter().next();
        place
            .map(|place| Self {
                place,
                to: to.to_owned(),
            })
            .ok_or_else(|| problems::image_not_located(service, "", None))
    }
}

/// Where the product's version is written, and what speaks against changing it.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) places: Vec<VersionPlace>,
    pub(super) problems: Vec<Problem>,
}

/// Finds the places that decide the images of `services`.
pub(super) fn find(
    files: &Files,
    services: &[Named<'_>],
    version_in: &dyn Fn(&str) -> Option<usize>,
) -> Result<Places, Problem> {
    let mut found = Places::default();
    let mut others: Vec<(String, Vec<Fragment>)> = Vec::new();
    for named in services {
        let located = files.locate(named.service)?;
        if !named.versioned {
            if let Some(located) = located {
                others.push((
                    format!("`{}` ({})", named.service, named.image),
                    located.fragments,
                ));
            }
            continue;
        }
        match located {
            Some(located) if located.image == named.image => {
                found.take(named, &located.fragments, version_in);
            }
            located => {
                let read = located.map(|located| located.image);
                found.problems.push(problems::image_not_located(
                    named.service,
                    named.image,
                    read.as_deref(),
                ));
            }
        }
    }
    for place in &found.places {
        let shared: Vec<String> = others
            .iter()
            .filter(|(_, fragments)| fragments.iter().any(|fragment| touches(fragment, place)))
            .map(|(name, _)| name.clone())
            .collect();
        if !shared.is_empty() {
            found
                .problems
                .push(problems::version_shared(&shown(place), &shared));
        }
    }
    Ok(found)
}

impl Places {
    /// Takes the place of one service's tag, or the problem with it.
    fn take(
        &mut self,
        named: &Named<'_>,
        fragments: &[Fragment],
        version_in: &dyn Fn(&str) -> Option<usize>,
    ) {
        let reference = Reference::parse(named.image);
        let Some((tag, range)) = reference.tag.clone() else {
            let place = format!("service `{}`", named.service);
            let problem = match reference.digest {
                Some(_) => problems::digest_pinned(&place, named.image),
                None => problems::moving_tag(&place, named.image, named.labelled.as_deref()),
            };
            self.problems.push(problem);
            return;
        };
        let exact = version_in(tag);
        // What stands behind the version in a tag names a variant of the image, and stays.
        let text = exact.map_or(tag, |length| &tag[..length]);
        let pieces = slice(fragments, range.start..range.start + text.len());
        let (path, offset) = match written_at(named, &pieces) {
            Ok(written) => written,
            Err(problem) => {
                self.problems.push(problem);
                return;
            }
        };
        if let Some(known) = self
            .places
            .iter_mut()
            .find(|place| place.path == path && place.offset == offset)
        {
            known.services.push(named.service.clone());
            return;
        }
        let pinning = match reference.digest {
            Some(_) => Pinning::Digest,
            None if exact.is_some() => Pinning::Exact,
            None => Pinning::Moving,
        };
        let place = VersionPlace {
            line: line_of(Path::new(&path), offset),
            path,
            offset,
            text: text.to_owned(),
            services: vec![named.service.clone()],
            pinning,
        };
        match pinning {
            Pinning::Exact => {}
            Pinning::Moving => self.problems.push(problems::moving_tag(
                &shown(&place),
                named.image,
                named.labelled.as_deref(),
            )),
            Pinning::Digest => self
                .problems
                .push(problems::digest_pinned(&shown(&place), named.image)),
        }
        self.places.push(place);
    }
}

/// Where the version of `named` is written, if one file says all of it in plain text.
fn written_at(named: &Named<'_>, pieces: &[Fragment]) -> Result<(String, usize), Problem> {
    let [Fragment { origin, .. }] = pieces else {
        return Err(problems::version_composed(named.service, named.image));
    };
    match origin {
        Origin::File { path, offset } => Ok((path.to_string_lossy().into_owned(), *offset)),
        Origin::Environment { variable } => {
            Err(problems::version_from_environment(named.service, variable))
        }
        Origin::Escaped => Err(problems::version_escaped(named.service, named.image)),
    }
}

/// The edits that make `tags` what they shall be, then those that take the files through `versions`, one list per
/// version.
pub(super) fn edits(
    observed: &Observed,
    tags: &[ServerTag],
    versions: &[Version],
    language: &dyn Fn(&Path) -> Language,
) -> Result<(Vec<FileEdit>, Vec<Vec<FileEdit>>), Problem> {
    if let Some(pinned) = observed
        .version_places
        .iter()
        .find(|place| place.pinning == Pinning::Digest)
    {
        return Err(problems::digest_pinned(&shown(pinned), &pinned.text));
    }
    let mut by_file: BTreeMap<&str, Vec<&VersionPlace>> = BTreeMap::new();
    for place in &observed.version_places {
        by_file.entry(&place.path).or_default().push(place);
    }
    for tag in tags {
        by_file.entry(&tag.place.path).or_default();
    }
    let mut servers = Vec::new();
    let mut lists = vec![Vec::new(); versions.len()];
    for (path, places) in by_file {
        let mut text = fs::read_to_string(path)
            .map_err(|error| problems::file_unreadable(Path::new(path), &error))?;
        let here: Vec<&ServerTag> = tags.iter().filter(|tag| tag.place.path == path).collect();
        let replacements = here.iter().map(|tag| Replacement {
            offset: tag.place.offset,
            old: tag.place.text.clone(),
            new: tag.to.clone(),
        });
        let (first, after) = edit::edits(
            path,
            language(Path::new(path)),
            &text,
            replacements.collect(),
        )
        .map_err(|error| problems::edit_refused(path, &error))?;
        servers.extend(first);
        text = after;
        let mut old: Vec<(usize, String)> = places
            .iter()
            .map(|place| (shifted(place.offset, &here), place.text.clone()))
            .collect();
        old.sort();
        for (list, version) in lists.iter_mut().zip(versions) {
            let replacements = old
                .iter()
                .filter(|(_, text)| text != version.as_str())
                .map(|(offset, text)| Replacement {
                    offset: *offset,
                    old: text.clone(),
                    new: version.as_str().to_owned(),
                })
                .collect();
            let (edits, after) = edit::edits(path, language(Path::new(path)), &text, replacements)
                .map_err(|error| problems::edit_refused(path, &error))?;
            list.extend(edits);
            text = after;
            old = moved(&old, version.as_str());
        }
    }
    Ok((servers, lists))
}

/// Where a place is once the tags before it are what they shall be.
fn shifted(offset: usize, tags: &[&ServerTag]) -> usize {
    let before = || tags.iter().filter(|tag| tag.place.offset < offset);
    let grown: usize = before().map(|tag| tag.to.len()).sum();
    let shrunk: usize = before().map(|tag| tag.place.text.len()).sum();
    offset + grown - shrunk
}

/// Where the places are once all of them hold `version`.
fn moved(places: &[(usize, String)], version: &str) -> Vec<(usize, String)> {
    let (mut grown, mut shrunk) = (0, 0);
    places
        .iter()
        .map(|(offset, text)| {
            let now = offset + grown - shrunk;
            grown += version.len();
            shrunk += text.len();
            (now, version.to_owned())
        })
        .collect()
}

fn touches(fragment: &Fragment, place: &VersionPlace) -> bool {
    match &fragment.origin {
        Origin::File { path, offset } => {
            path.to_string_lossy() == place.path
                && *offset < place.offset + place.text.len()
                && place.offset < offset + fragment.text.len()
        }
        _ => false,
    }
}

/// `docker-compose.yml:12`.
fn shown(place: &VersionPlace) -> String {
    let name = Path::new(&place.path).file_name().map_or_else(
        || place.path.clone(),
        |name| name.to_string_lossy().into_owned(),
    );
    format!("{name}:{}", place.line)
}

fn line_of(path: &Path, offset: usize) -> usize {
    let text = fs::read(path).unwrap_or_default();
    let before = &text[..offset.min(text.len())];
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
