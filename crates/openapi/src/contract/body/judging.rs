//! A body judged: at once, or as its pieces come.

use super::parts::{self, Hand, Taken};
use super::{BodyContract, BodyFault, Chosen, HELD_BYTES_MAX, Kind, Reading};
use crate::contract::violations::{Place, Violations};
use crate::engine::{Key, Validators};
use crate::multipart::{self, Parser, Stopped};
use crate::parameters::form::Culprit;
use crate::parameters::scalar;
use crate::schema::Types;
use crate::value::{self, Builder, Fault, Limits, Reason, Tape};

/// A body that is being judged piece by piece.
#[derive(Debug)]
pub struct Judging {
    chosen: Chosen,
    length: u64,
    /// What can only be judged as one.
    held: Vec<u8>,
    parts: Option<Box<(Parser, Taken)>>,
}

impl BodyContract {
    /// Judges a body that is there as one.
    ///
    /// # Errors
    /// It is not what its media type says, or passes a bound.
    pub(in crate::contract) fn judge(
        &self,
        chosen: Chosen,
        bytes: &[u8],
        limits: &Limits,
        validators: &Validators,
        found: &mut Violations,
    ) -> Result<(), BodyFault> {
        match chosen.kind {
            Kind::Json | Kind::Text | Kind::Form => self.at_once(chosen, bytes, limits, validators, found),
            Kind::Nothing | Kind::Bytes | Kind::Parts => {
                let mut judging = self.begin(chosen)?;
                self.piece(&mut judging, bytes)?;
                self.end(judging, limits, validators, found)
            }
        }
    }

    /// Judges a body by its length, if that is all that is judged of it; says whether it is.
    pub(in crate::contract) fn judge_length(
        &self,
        chosen: Chosen,
        length: u64,
        found: &mut Violations,
    ) -> bool {
        let rule = match (chosen.kind, self.declared(chosen).map(|declared| &declared.reading)) {
            (Kind::Nothing, _) => return true,
            (Kind::Bytes, Some(Reading::Bytes(rule) | Reading::Any { bytes: Some(rule), .. })) => rule,
            _ => return false,
        };
        if let Some(keyword) = rule.wrong(length) {
            found.push(Place::Body, "", keyword);
        }
        true
    }

    /// Begins to judge a body whose pieces are to come.
    ///
    /// # Errors
    /// Its boundary is none.
    pub(in crate::contract) fn begin(&self, chosen: Chosen) -> Result<Judging, BodyFault> {
        let parts = match chosen.kind {
            Kind::Parts => {
                let parser = Parser::new(chosen.boundary.as_str(), multipart::Limits::default());
                let parser = parser.map_err(|_| BodyFault::Type)?;
                Some(Box::new((parser, Taken::default())))
            }
            Kind::Nothing | Kind::Json | Kind::Text | Kind::Bytes | Kind::Form => None,
        };
        Ok(Judging { chosen, length: 0, held: Vec::new(), parts })
    }

    /// Judges a piece.
    ///
    /// # Errors
    /// As [`BodyContract::judge`]; nothing more may be asked then.
    pub(in crate::contract) fn piece(&self, judging: &mut Judging, piece: &[u8]) -> Result<(), BodyFault> {
        judging.length = judging.length.saturating_add(piece.len() as u64);
        match (judging.chosen.kind, &mut judging.parts) {
            (Kind::Json | Kind::Text | Kind::Form, _) => {
                if judging.held.len().saturating_add(piece.len()) > HELD_BYTES_MAX {
                    return Err(malformed(Reason::Size, judging.held.len()));
                }
                judging.held.extend_from_slice(piece);
            }
            (Kind::Parts, Some(parts)) => {
                let (parser, taken) = &mut **parts;
                let Some(Reading::Parts(rules)) = self.declared(judging.chosen).map(|it| &it.reading) else {
                    return Err(BodyFault::Type);
                };
                parser.push(piece, &mut Hand { rules, taken }).map_err(|stopped| match stopped {
                    Stopped::Fault(fault) => of_parts(fault),
                    Stopped::Sink(fault) => BodyFault::Malformed(fault),
                })?;
            }
            (Kind::Nothing | Kind::Bytes | Kind::Parts, _) => {}
        }
        Ok(())
    }

    /// Judges what was left to its end.
    ///
    /// # Errors
    /// As [`BodyContract::judge`].
    pub(in crate::contract) fn end(
        &self,
        judging: Judging,
        limits: &Limits,
        validators: &Validators,
        found: &mut Violations,
    ) -> Result<(), BodyFault> {
        let Judging { chosen, length, held, parts } = judging;
        match (chosen.kind, self.declared(chosen).map(|declared| &declared.reading)) {
            (Kind::Json | Kind::Text | Kind::Form, _) => {
                return self.at_once(chosen, &held, limits, validators, found);
            }
            (Kind::Parts, Some(Reading::Parts(rules))) => {
                let (parser, taken) = *parts.ok_or(BodyFault::Type)?;
                parser.finish().map_err(of_parts)?;
                rules.judge(taken, limits, validators, found).map_err(BodyFault::Malformed)?;
            }
            _ if self.judge_length(chosen, length, found) => {}
            _ => return Err(BodyFault::Type),
        }
        Ok(())
    }

    fn at_once(
        &self,
        chosen: Chosen,
        bytes: &[u8],
        limits: &Limits,
        validators: &Validators,
        found: &mut Violations,
    ) -> Result<(), BodyFault> {
        let declared = self.declared(chosen).ok_or(BodyFault::Type)?;
        match (chosen.kind, &declared.reading) {
            (Kind::Json, Reading::Json(key) | Reading::Any { key, .. }) => {
                let tape = value::parse(bytes, limits).map_err(BodyFault::Malformed)?;
                judge(*key, &tape, validators, found);
            }
            (Kind::Text, Reading::Text(key, types) | Reading::Any { key, text: Some(types), .. }) => {
                let tape = text(bytes, *types, limits)?;
                judge(*key, &tape, validators, found);
            }
            (Kind::Form, Reading::Form(form, key)) => {
                let mut out = Builder::new(limits);
                form.decode(bytes, &mut out, &mut |culprit, wrong| {
                    found.push(Place::Body, pointer(culprit), wrong.keyword());
                });
                let tape = out.finish().map_err(BodyFault::Malformed)?;
                judge(*key, &tape, validators, found);
            }
            _ => return Err(BodyFault::Type),
        }
        Ok(())
    }
}

/// A text as the one value it spells.
fn text(bytes: &[u8], types: Types, limits: &Limits) -> Result<Tape<'static>, BodyFault> {
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(Reason::Utf8, error.valid_up_to()))?;
    let mut out = Builder::new(limits);
    scalar::put(text, types, &mut out).map_err(|_| malformed(Reason::String, 0))?;
    out.finish().map_err(BodyFault::Malformed)
}

fn pointer(culprit: Culprit<'_>) -> Box<str> {
    match culprit {
        Culprit::Whole => "".into(),
        Culprit::Entry(entry) => parts::pointer(&entry.name),
        Culprit::Name(name) => parts::pointer(name),
    }
}

fn judge(key: Option<Key>, tape: &Tape<'_>, validators: &Validators, found: &mut Violations) {
    if let Some(key) = key {
        validators.judge(key, tape.root(), Place::Body, found);
    }
}

fn malformed(reason: Reason, offset: usize) -> BodyFault {
    BodyFault::Malformed(Fault { reason, offset, pointer: "".into() })
}

fn of_parts(fault: multipart::Fault) -> BodyFault {
    let reason = if fault.what.is_size() { Reason::Parts } else { Reason::Syntax(fault.what.as_str()) };
    malformed(reason, usize::try_from(fault.offset).unwrap_or(usize::MAX))
}
