//! Members and items of two schemas side by side: which came, which went, which must be there, and what holds for those that
//! nobody declares.

use super::{Answer, Pair, Verdict, Walk};
use crate::difference::parts::{Parts, Slot, closing};
use crate::schema::{Direction, SchemaId};
use crate::source::json_pointer::escaped;

impl Walk<'_, '_, '_> {
    pub(super) fn required(&mut self, pair: Pair, sends: &Parts, takes: &Parts) {
        for name in takes.required.iter().filter(|name| !sends.required.contains(name)) {
            let answer = self.answer(pair);
            let (rule, why) = match self.direction {
                Direction::Request => ("member-required", format!("the member `{name}` must be there now")),
                Direction::Response => {
                    ("member-not-promised", format!("the member `{name}` may be missing now"))
                }
            };
            match answer {
                Answer::Covered => {}
                Answer::Lost { lost, witness } => {
                    let witness = witness.filter(|value| value.get(name).is_none());
                    self.note_with(Verdict::Breaking, rule, pair, why, lost, witness);
                }
                Answer::Undecided { .. } => self.note(Verdict::Breaking, rule, pair, why),
            }
        }
        for name in sends.required.iter().filter(|name| !takes.required.contains(name)) {
            let why = match self.direction {
                Direction::Request => format!("the member `{name}` may be left out now"),
                Direction::Response => format!("the member `{name}` is always there now"),
            };
            self.note(Verdict::Safe, "member-requirement", pair, why);
        }
    }

    pub(super) fn members(&mut self, pair: Pair, sends: &Parts, takes: &Parts, is_composed: bool) {
        let additional = takes.inner.get(&Slot::Additional).copied();
        for (slot, sent) in &sends.inner {
            let Slot::Property(name) = slot else { continue };
            self.path.push(escaped(name));
            match (takes.inner.get(slot), additional) {
                (Some(taken), _) => self.pair(*sent, *taken, is_composed),
                (None, Some(taken)) if !takes.hidden.contains(name) => self.pair(*sent, taken, is_composed),
                (None, _) => self.member_gone((*sent, pair.1, pair.2), pair, name, takes, is_composed),
            }
            self.path.pop();
        }
        for (slot, taken) in &takes.inner {
            let Slot::Property(name) = slot else { continue };
            if sends.inner.contains_key(slot) {
                continue;
            }
            self.path.push(escaped(name));
            self.member_new((pair.0, *taken, pair.2), name, sends, takes);
            self.path.pop();
        }
        self.others(pair, sends, takes, additional);
    }

    /// The sender declares a member that the receiver does not.
    fn member_gone(&mut self, spans: Pair, whole: Pair, name: &str, takes: &Parts, is_composed: bool) {
        let is_barred =
            takes.hidden.iter().any(|hidden| hidden == name) || closing(&takes.shell) == Some(false);
        let is_open = closing(&takes.shell) == Some(true) && !is_barred;
        match self.direction {
            _ if is_open => {}
            Direction::Response if !is_barred => {
                self.note(Verdict::Safe, "member-added", spans, format!("the member `{name}` is new"));
            }
            _ if is_composed || takes.shell.get("patternProperties").is_some() => {
                let why = format!("the member `{name}` is not declared here any more; it may be elsewhere");
                self.note(Verdict::Unknown, "member-removed", spans, why);
            }
            direction => {
                let (rule, why) = match direction {
                    Direction::Request => (
                        "member-removed",
                        format!("the member `{name}` is not declared any more, and is refused"),
                    ),
                    Direction::Response => (
                        "member-added",
                        format!("the member `{name}` is new, where no other was to be expected"),
                    ),
                };
                let (lost, witness) = match self.answer(whole) {
                    Answer::Lost { lost, witness } => {
                        (lost, witness.filter(|value| value.get(name).is_some()))
                    }
                    Answer::Covered | Answer::Undecided { .. } => (None, None),
                };
                // The value is the object's, not the member's.
                let own = self.path.pop();
                let change = self.change(Verdict::Breaking, rule, spans, why, lost, witness);
                self.path.extend(own);
                self.sight.found.push(change);
            }
        }
    }

    /// The receiver declares a member that the sender does not.
    fn member_new(&mut self, spans: Pair, name: &str, sends: &Parts, takes: &Parts) {
        let is_required = takes.required.iter().any(|required| required == name);
        if let Some(sent) = sends.inner.get(&Slot::Additional) {
            self.pair(*sent, spans.1, false);
        } else if closing(&sends.shell) == Some(true) && !sends.hidden.iter().any(|hidden| hidden == name) {
            let why =
                format!("the member `{name}` has a schema now; it could be anything among the others before");
            self.note(Verdict::Unknown, "member-described", spans, why);
        } else if !is_required {
            let (rule, why) = match self.direction {
                Direction::Request => {
                    ("member-added", format!("the member `{name}` is new and may be left out"))
                }
                Direction::Response => (
                    "member-removed",
                    format!("the member `{name}` is not sent any more; it was not promised"),
                ),
            };
            self.note(Verdict::Safe, rule, spans, why);
        }
    }

    /// Members that are not declared.
    fn others(&mut self, pair: Pair, sends: &Parts, takes: &Parts, taken: Option<SchemaId>) {
        let sent = sends.inner.get(&Slot::Additional).copied();
        let (sent_by_word, taken_by_word) = (closing(&sends.shell), closing(&takes.shell));
        let has_members = |parts: &Parts| parts.inner.keys().any(|slot| matches!(slot, Slot::Property(_)));
        self.path.push("*".to_owned());
        let why = match (sent, sent_by_word, taken, taken_by_word) {
            (Some(sent), _, Some(taken), _) => {
                self.pair(sent, taken, false);
                None
            }
            (_, _, _, Some(true)) | (None, Some(false), _, _) => None,
            (Some(_), _, None, Some(false)) | (None, Some(true), None, Some(false)) => Some((
                Verdict::Breaking,
                match self.direction {
                    Direction::Request => "other members are refused now",
                    Direction::Response => "other members may be sent now",
                },
            )),
            (Some(_), _, None, None) | (None, Some(true), None, None) => {
                let is_closed = self.direction == Direction::Request && has_members(takes);
                is_closed.then_some((
                    Verdict::Unknown,
                    "nothing is said of other members any more: a gateway refuses them",
                ))
            }
            (None, Some(true), Some(_), _) => {
                Some((Verdict::Unknown, "other members could be anything and have a schema"))
            }
            (None, None, Some(_), _) | (None, None, None, Some(false)) if has_members(sends) => Some((
                Verdict::Unknown,
                match self.direction {
                    Direction::Request => {
                        "nothing was said of other members, and now not all of them are taken: whether callers send some is not known"
                    }
                    Direction::Response => {
                        "nothing is said of other members any more: whether some are sent is not known"
                    }
                },
            )),
            (None, None, Some(_), _) | (None, None, None, Some(false)) => Some((
                Verdict::Breaking,
                match self.direction {
                    Direction::Request => "members could be anything, and now not all of them are taken",
                    Direction::Response => "members may be anything now",
                },
            )),
            (None, None, None, None) => None,
        };
        self.path.pop();
        if sent_by_word == Some(false) && taken_by_word != Some(false) {
            let why = match self.direction {
                Direction::Request => "other members were refused, and that is not said any more",
                Direction::Response => "other members are not sent any more",
            };
            self.note(Verdict::Safe, "members-opened", pair, why.to_owned());
        }
        if let Some((verdict, why)) = why {
            let (lost, witness) = match (verdict, self.answer(pair)) {
                (Verdict::Breaking, Answer::Lost { lost, witness }) => (lost, witness),
                _ => (None, None),
            };
            self.note_with(verdict, "members-closed", pair, why.to_owned(), lost, witness);
        }
    }

    pub(super) fn items(&mut self, pair: Pair, sends: &Parts, takes: &Parts) {
        let prefix =
            |parts: &Parts| parts.inner.keys().filter(|slot| matches!(slot, Slot::Prefix(_))).count();
        if prefix(sends) != prefix(takes) {
            let answer = self.answer(pair);
            self.conclude(pair, answer, "`prefixItems` changed");
            return;
        }
        for (slot, sent) in &sends.inner {
            let step = match slot {
                Slot::Prefix(index) => index.to_string(),
                Slot::Items => "*".to_owned(),
                Slot::Property(_) | Slot::Additional | Slot::Other(..) => continue,
            };
            if let Some(taken) = takes.inner.get(slot) {
                self.path.push(step);
                self.pair(*sent, *taken, false);
                self.path.pop();
            }
        }
        if !sends.inner.contains_key(&Slot::Items) && takes.inner.contains_key(&Slot::Items) {
            let answer = self.answer(pair);
            let changed = match self.direction {
                Direction::Request => "items have a schema now",
                Direction::Response => "items have no schema any more",
            };
            self.conclude(pair, answer, changed);
        }
    }
}
