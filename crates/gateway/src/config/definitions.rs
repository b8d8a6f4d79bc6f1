//! The definitions that APIs name: read with the Overlays that are laid on them, their errors reported, their settings
//! judged.
//!
//! A definition with an error does not load: half a contract would leave operations out of which nobody knows why.
//! Every document that was read is watched and counts towards the revision. Places within a definition become places
//! among the configuration's files, so that merged settings know where each of them was written.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use portcullis_openapi::definition::documents::Unreadable;
use portcullis_openapi::definition::{
    Bounds, Definition, Documents, Folder, Loads, Notice, Operation, Settings as Carried, Severity,
};
use portcullis_openapi::overlay::Text;
use portcullis_openapi::source::{Files, Finding, Pointer, Shift, Span, de};

use super::desk::{Desk, Documents as Kept};
use super::load::hexadecimal;
use super::{Api, Config, Loaded, Settings, check, settings, unbuilt};

/// A definition whose settings have places among the configuration's files.
#[derive(Debug)]
pub struct ApiDefinition {
    definition: Definition,
    shift: Shift,
    digest: [u8; 32],
}

impl ApiDefinition {
    /// What the documents say.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Tells what it was made of: its documents, and what was left out of them.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// A place in one of its documents, among the configuration's files.
    pub fn span(&self, span: Span) -> Span {
        span.shifted(self.shift)
    }
}

impl Loaded {
    /// Reads the definitions that its APIs name, and notes their files.
    ///
    /// # Errors
    /// Returns what is wrong with them, in the order of each document.
    pub fn with_definitions(self, files: &mut Vec<PathBuf>) -> Result<Self, Vec<Finding>> {
        self.with_definitions_from(Desk::Disk, files)
    }

    pub(super) fn with_definitions_from(
        mut self,
        desk: Desk<'_>,
        files: &mut Vec<PathBuf>,
    ) -> Result<Self, Vec<Finding>> {
        let mut findings = self.read_key_sets(desk, files);
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(self.hash.as_bytes());
        let named: Vec<(String, PathBuf)> = self
            .config
            .apis
            .iter()
            .filter_map(|(name, api)| Some((name.clone(), api.openapi.as_ref()?.into())))
            .collect();
        if named.is_empty() {
            return if findings.is_empty() { Ok(self) } else { Err(findings) };
        }
        for (name, path) in named {
            let at = Pointer::new().key("apis").key(&name);
            let overlays = self.read_overlays(&name, desk, &mut hash, files, &mut findings);
            let reading = match Reading::of(&path, desk) {
                Ok(reading) => reading,
                Err(unreadable) => {
                    let message = format!("{} {unreadable}", path.display());
                    findings.push(self.finding(&at.key("openapi"), message));
                    continue;
                }
            };
            let Some(overlays) = overlays else { continue };
            let skip = self.config.apis.get(&name).map(|api| api.skip.clone()).unwrap_or_default();
            let skip = skip.as_slice();
            let texts: Vec<Text<'_>> = overlays.iter().map(Laid::text).collect();
            let loads = Loads { skip, overlays: &texts };
            let read = Definition::load_with(&reading, reading.folder.root(), &Bounds::DEFAULT, &loads);
            let documents = self.note(reading, &mut hash, files);
            match read {
                Ok(definition) => {
                    let digest = made_of(&documents, &overlays, skip);
                    self.take_in(&name, definition, digest, &mut findings);
                }
                Err(refused) => findings.extend(errors(&refused.notices)),
            }
        }
        self.hash = hexadecimal(hash);
        if findings.is_empty() { Ok(self) } else { Err(findings) }
    }

    /// Reads what is to be laid on a definition; nothing when one cannot be read.
    fn read_overlays(
        &mut self,
        api: &str,
        desk: Desk<'_>,
        hash: &mut digest::Context,
        files: &mut Vec<PathBuf>,
        findings: &mut Vec<Finding>,
    ) -> Option<Vec<Laid>> {
        let named = self.config.apis.get(api).map(|api| api.overlays.clone()).unwrap_or_default();
        let mut laid = Vec::new();
        for (index, overlay) in named.iter().enumerate() {
            let path = PathBuf::from(&overlay.file);
            let bytes = Reading::of(&path, desk).and_then(|reading| {
                let bytes = reading.read(reading.folder.root(), Bounds::DEFAULT.reading.file_bytes_max);
                self.note(reading, hash, files);
                bytes
            });
            match bytes {
                Ok(bytes) => laid.push(Laid {
                    name: path.display().to_string(),
                    bytes,
                    must_match: overlay.must_match,
                }),
                Err(unreadable) => {
                    let at = Pointer::new().key("apis").key(api).key("overlays").index(index);
                    findings.push(self.finding(&at, format!("{} {unreadable}", path.display())));
                }
            }
        }
        (laid.len() == named.len()).then_some(laid)
    }

    /// Notes what was read for a definition: to be watched, kept, and counted in the revision. Tells a digest of it.
    fn note(
        &mut self,
        reading: Reading<'_>,
        hash: &mut digest::Context,
        files: &mut Vec<PathBuf>,
    ) -> Vec<u8> {
        let (documents, read_texts, digest) = reading.end();
        hash.update(&digest);
        self.documents.extend(read_texts);
        for document in documents {
            for list in [&mut self.files, &mut *files] {
                if !list.contains(&document) {
                    list.push(document.clone());
                }
            }
        }
        digest
    }

    /// The definition of an API, if it has one.
    pub fn definition(&self, api: &str) -> Option<&ApiDefinition> {
        self.definitions.get(api).map(AsRef::as_ref)
    }

    /// A finding at a place in a definition.
    pub fn finding_at(&self, span: Span, path: &Pointer, message: impl Into<String>) -> Finding {
        self.names.finding(span, path, message)
    }

    /// Where something in a definition stands, such as `orders.yaml:12`.
    pub fn place_of(&self, span: Span) -> String {
        format!("{}:{}", self.names.name(span.file), span.line)
    }

    fn take_in(
        &mut self,
        name: &str,
        mut definition: Definition,
        digest: [u8; 32],
        findings: &mut Vec<Finding>,
    ) {
        let is_error = |notice: &&Notice| notice.severity == Severity::Error;
        findings.extend(errors(&definition.notices));
        findings.extend(self.way_out(name, &definition));
        self.warnings.extend(
            definition.notices.iter().filter(|notice| !is_error(notice)).map(|notice| notice.finding.clone()),
        );
        for index in &definition.skipped_nothing {
            let at = Pointer::new().key("apis").key(name).key("skip").index(*index);
            let finding = self.finding(&at, "names nothing in the definition");
            findings.push(
                finding.with_hint("write `/path` as the document does, `METHOD /path`, or an `operationId`"),
            );
        }
        let shift = self.names.adopt(&definition.files);
        let mut judged = Judged::new(shift);
        judged.all(&mut definition);
        judged.judge(&self.names, &self.config, findings);
        if let Some(api) = self.config.apis.get(name) {
            self.remark_base_path(name, api, &definition).into_iter().for_each(|it| self.warnings.push(it));
        }
        self.definitions.insert(name.to_owned(), Arc::new(ApiDefinition { definition, shift, digest }));
    }

    /// Of several operations that cannot be routed, what to write to publish the rest.
    fn way_out(&self, name: &str, definition: &Definition) -> Option<Finding> {
        const SHOWN_MAX: usize = 500;
        let keys = &definition.leave_out;
        let shown: Vec<String> = keys.iter().take(SHOWN_MAX).map(|key| format!("{key:?}")).collect();
        let at = Pointer::new().key("apis").key(name).key("openapi");
        let finding = self.finding(&at, format!("has {} parts that cannot be routed", keys.len()));
        let hint = format!("to publish it without them write below the API `skip: [{}]`", shown.join(", "));
        (shown.len() > 1).then(|| finding.with_hint(hint))
    }

    /// The configuration's `base_path` decides; a document that names another may be meant to be published there.
    fn remark_base_path(&self, name: &str, api: &Api, definition: &Definition) -> Option<Finding> {
        let stated = definition.base_path().filter(|path| !path.is_empty() && api.base_path.is_none())?;
        let at = Pointer::new().key("apis").key(name);
        let finding = self.finding(&at, format!("is published at `/`; its definition says `{stated}`"));
        Some(
            finding.with_hint(format!(
                "write `base_path: {stated}`, or `base_path: /` to say that it is meant so"
            )),
        )
    }
}

/// Tells documents with this laid on and these parts left out from all others.
fn made_of(documents: &[u8], overlays: &[Laid], skip: &[String]) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(documents);
    for Laid { name, bytes, must_match } in overlays {
        hash.update(format!("{name:?} {must_match:?} {}", bytes.len()).as_bytes());
        hash.update(bytes);
    }
    hash.update(format!("{skip:?}").as_bytes());
    hash.finish().as_ref().try_into().unwrap_or_default()
}

fn errors(notices: &[Notice]) -> impl Iterator<Item = Finding> {
    notices.iter().filter(|notice| notice.severity == Severity::Error).map(|notice| notice.finding.clone())
}

/// An Overlay that was read.
struct Laid {
    name: String,
    bytes: Vec<u8>,
    must_match: bool,
}

impl Laid {
    fn text(&self) -> Text<'_> {
        Text { name: &self.name, bytes: &self.bytes, must_match: self.must_match }
    }
}

/// A folder of documents that remembers what was read from it.
struct Reading<'a> {
    folder: Folder,
    desk: Desk<'a>,
    seen: RefCell<(Vec<PathBuf>, Kept, digest::Context)>,
}

impl<'a> Reading<'a> {
    fn of(root: &Path, desk: Desk<'a>) -> Result<Self, Unreadable> {
        let seen = RefCell::new((Vec::new(), Kept::new(), digest::Context::new(&digest::SHA256)));
        Ok(Self { folder: Folder::of(root)?, desk, seen })
    }

    /// The files that were asked for, what was in them, and a digest of that.
    fn end(self) -> (Vec<PathBuf>, Kept, Vec<u8>) {
        let (files, kept, digest) = self.seen.into_inner();
        (files, kept, digest.finish().as_ref().to_vec())
    }
}

impl Documents for Reading<'_> {
    fn read(&self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Unreadable> {
        let bytes = match self.desk.kept(&self.folder.path(path), bytes_max) {
            Some(Ok(bytes)) if bytes.len() > bytes_max => Err(Unreadable::TooLarge(bytes_max)),
            Some(kept) => kept.map_err(Unreadable::from),
            None => self.folder.read(path, bytes_max),
        };
        let mut seen = self.seen.borrow_mut();
        // One that is missing is watched as well: it may come.
        seen.0.push(self.folder.path(path));
        if let Ok(bytes) = &bytes {
            seen.1.insert(self.folder.path(path), bytes.as_slice().into());
            seen.2.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            seen.2.update(bytes);
        }
        bytes
    }

    fn name(&self, path: &str) -> String {
        self.folder.name(path)
    }
}

/// The settings of a definition, each once however often it is shared.
struct Judged {
    shift: Shift,
    known: HashMap<usize, Arc<Carried>>,
    /// In the order of the document, and whether they stand at a response.
    found: Vec<(Arc<Carried>, bool)>,
}

impl Judged {
    fn new(shift: Shift) -> Self {
        Self { shift, known: HashMap::new(), found: Vec::new() }
    }

    /// Gives every settings node places among the configuration's files.
    fn all(&mut self, definition: &mut Definition) {
        self.optional(&mut definition.settings);
        for tag in &mut definition.tags {
            self.optional(&mut tag.settings);
        }
        for operation in &mut definition.operations {
            let Operation { path_settings, settings, response_settings, .. } = operation;
            self.optional(path_settings);
            self.optional(settings);
            for (_, settings) in response_settings {
                self.one(settings, true);
            }
        }
    }

    fn optional(&mut self, settings: &mut Option<Arc<Carried>>) {
        if let Some(settings) = settings {
            self.one(settings, false);
        }
    }

    fn one(&mut self, carried: &mut Arc<Carried>, at_response: bool) {
        // An address is looked up only while somebody still holds what lies there.
        let identity = Arc::as_ptr(carried).addr();
        let shifted = match self.known.get(&identity) {
            Some(known) => Arc::clone(known),
            None => {
                let node = carried.node.clone().shifted(self.shift);
                let before = carried.before.clone().map(|before| before.shifted(self.shift));
                let shifted = Arc::new(Carried { node, pointer: carried.pointer.clone(), before });
                self.known.insert(identity, Arc::clone(&shifted));
                self.found.push((Arc::clone(&shifted), at_response));
                shifted
            }
        };
        *carried = shifted;
    }

    fn judge(&self, names: &Files, config: &Config, findings: &mut Vec<Finding>) {
        for (carried, at_response) in &self.found {
            let Carried { node, pointer, before: _ } = &**carried;
            let before = findings.len();
            unbuilt::find_in_settings(names, node, pointer, findings);
            match de::read::<Settings>(names, node) {
                Ok(read) => check::definition_settings(names, node, pointer, config, &read, findings),
                Err(found) => findings.extend(found.into_iter().map(|mut finding| {
                    finding.path = pointer.join(&finding.path.parse().unwrap_or_default()).to_string();
                    finding
                })),
            }
            if *at_response && findings.len() == before {
                let keys = node.as_mapping().into_iter().flat_map(|mapping| mapping.iter());
                findings.extend(keys.filter(|(key, _)| settings::KEYS.contains(&&*key.text)).map(
                    |(key, _)| {
                        let message = "does not apply to a response, so it does not load";
                        names.finding(key.span, pointer.key(&key.text), message)
                    },
                ));
            }
        }
    }
}
