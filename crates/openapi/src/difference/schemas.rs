//! Two schemas, place by place: members, items and what is asked of them side by side.
//!
//! The walk pairs what the sender may send with what the receiver takes. Where both are objects or lists and nothing but
//! members and items differs, their members and items are paired in turn, so that a finding names the member, and a schema
//! that refers to itself is gone through once. What a place itself asks (types, bounds, expressions) is a question of its
//! own; what is put together from other schemas in different ways is one question as a whole.
//!
//! Each pair is looked at once for all operations ([`super::graph`]): whatever is wrong with it is found there.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use serde_json::Value;

use super::algebra::{self, Answer, Question};
use super::graph::{Composition, Graph, Key, Outcome, Pair, Sight};
use super::parts::{DISCRIMINATOR, Parts, Slot, followed, unique, without_members};
use super::slice::{self, Notes, Unwritten};
use super::{Change, Comparison, Place, Spans, Verdict, describe};
use crate::schema::{Direction, SchemaId, Schemas};

mod members;

/// So many schemas are counted in the time in which one is written.
const COUNTED_PER_STEP: usize = 16;

/// What was found out and holds for the whole comparison.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) graph: Graph,
    parts: HashMap<(Side, SchemaId, Direction), Option<Rc<Parts>>>,
    pub(super) same: HashMap<Pair, bool>,
    answers: HashMap<Pair, Answer>,
    /// Answers about what places ask by themselves, by sender and receiver: that is much the same everywhere.
    own: HashMap<(String, String), Answer>,
    anything: HashMap<(SchemaId, Direction), Answer>,
    too_large: HashSet<(Side, SchemaId, Direction)>,
    steps: usize,
    questions: usize,
}

/// Who a schema belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Side {
    Sender,
    Receiver,
}

/// A look at one pair of schemas.
struct Walk<'c, 'd, 'a> {
    comparison: &'c mut Comparison<'d, 'a>,
    direction: Direction,
    path: Vec<String>,
    sight: Sight,
}

impl Comparison<'_, '_> {
    /// Compares what a part of an operation takes (requests) or sends (responses). Without a schema it is anything. Pairs of
    /// schemas are only noted; [`Self::walk`] looks at them.
    pub(super) fn schemas(
        &mut self,
        old: Option<SchemaId>,
        new: Option<SchemaId>,
        direction: Direction,
        spans: Spans,
    ) {
        let (sender, receiver) = match direction {
            Direction::Request => (old, new),
            Direction::Response => (new, old),
        };
        match (sender, receiver) {
            (Some(sender), Some(receiver)) => {
                let key = Walk::at(self, direction).key(sender, receiver, false);
                self.schemas.graph.root(self.subject.clone(), key);
            }
            (Some(_), None) => self.safe("schema-removed", spans, "any value is spoken of now"),
            (None, Some(receiver)) => self.anything(receiver, direction, spans),
            (None, None) => {}
        }
    }

    /// Looks at all pairs of schemas that operations lead to, each once, and notes what was found.
    pub(super) fn walk(&mut self) {
        while let Some((pair, is_composed)) = self.schemas.graph.next() {
            if !self.goes_on(1) {
                break;
            }
            let mut walk = Walk::at(self, pair.2);
            walk.look(pair, is_composed);
            let sight = walk.sight;
            self.schemas.graph.saw(sight);
        }
        for (id, (pair, _), composition) in self.schemas.graph.compositions() {
            let gravest = self.schemas.graph.gravest(id, composition.is_choice);
            if gravest != Verdict::Safe {
                let outcome = Walk::at(self, pair.2).decided(pair, &composition, gravest);
                self.schemas.graph.settle(id, outcome);
            }
        }
        let graph = std::mem::take(&mut self.schemas.graph);
        let left = graph.left();
        self.changes.extend(graph.tell());
        if !self.goes_on(0) {
            let why = format!(
                "the comparison of schemas ended after {} steps: {left} pairs of schemas were not looked at, and are not known",
                self.limits.steps_max
            );
            self.changes.push(Change::of_all(Verdict::Unknown, "too-large", why));
        }
    }

    /// Counts steps, and says whether there were not too many.
    fn goes_on(&mut self, steps: usize) -> bool {
        self.schemas.steps = self.schemas.steps.saturating_add(steps);
        self.schemas.steps <= self.limits.steps_max
    }

    /// Asks, as often as the limits let it.
    fn asked(&mut self, question: Question) -> Answer {
        self.schemas.questions = self.schemas.questions.saturating_add(1);
        if self.schemas.questions > self.limits.questions_max {
            return Answer::Undecided { why: "too many schemas changed".into() };
        }
        (self.ask)(question)
    }

    /// Something that could be anything has a schema on the receiver's side.
    fn anything(&mut self, receiver: SchemaId, direction: Direction, spans: Spans) {
        let schemas = match direction {
            Direction::Request => &self.new.schemas,
            Direction::Response => &self.old.schemas,
        };
        let answer = match self.schemas.anything.get(&(receiver, direction)) {
            Some(answer) => answer.clone(),
            None => match slice::of(schemas, receiver, direction, Notes::LeftOut, algebra::SCHEMAS_MAX) {
                Ok(receiver) => {
                    self.asked(Question { sender: true.into(), receiver, is_receiver_closed: false })
                }
                Err(why) => Answer::Undecided { why: why.why().into() },
            },
        };
        self.schemas.anything.insert((receiver, direction), answer.clone());
        let why = match direction {
            Direction::Request => "any value was taken, and now only those of a schema",
            Direction::Response => "values were of a schema, and now it is not said what is sent",
        };
        match answer {
            Answer::Covered => {}
            Answer::Lost { witness, .. } => {
                self.breaking("schema-added", spans, why);
                if let Some(last) = self.changes.last_mut() {
                    last.witness = witness;
                }
            }
            Answer::Undecided { .. } => self.unknown("schema-added", spans, why),
        }
    }
}

impl<'c, 'd, 'a> Walk<'c, 'd, 'a> {
    fn at(comparison: &'c mut Comparison<'d, 'a>, direction: Direction) -> Self {
        Self { comparison, direction, path: Vec::new(), sight: Sight::default() }
    }
}

impl Walk<'_, '_, '_> {
    fn graphs(&self) -> (&Schemas, &Schemas) {
        let (old, new) = (&self.comparison.old.schemas, &self.comparison.new.schemas);
        match self.direction {
            Direction::Request => (old, new),
            Direction::Response => (new, old),
        }
    }

    fn key(&self, sender: SchemaId, receiver: SchemaId, is_composed: bool) -> Key {
        let (senders, receivers) = self.graphs();
        ((followed(senders, sender), followed(receivers, receiver), self.direction), is_composed)
    }

    /// A pair that is to be compared, too, at the place that is looked at.
    fn pair(&mut self, sender: SchemaId, receiver: SchemaId, is_composed: bool) {
        let key = self.key(sender, receiver, is_composed);
        self.sight.edges.push((self.pointer(), key));
    }

    fn pointer(&self) -> Box<str> {
        self.path.iter().flat_map(|step| ["/", step]).collect::<String>().into()
    }

    /// A schema of either side, taken apart once.
    fn parts(&mut self, side: Side, id: SchemaId) -> Option<Rc<Parts>> {
        let direction = self.direction;
        if let Some(parts) = self.comparison.schemas.parts.get(&(side, id, direction)) {
            return parts.clone();
        }
        let (senders, receivers) = self.graphs();
        let schemas = if side == Side::Sender { senders } else { receivers };
        let parts = Parts::of(schemas, id, direction).map(Rc::new);
        self.comparison.schemas.parts.insert((side, id, direction), parts.clone());
        parts
    }

    /// Compares one pair. In a composition members may be declared elsewhere.
    fn look(&mut self, pair: Pair, is_composed: bool) {
        let parts = (self.parts(Side::Sender, pair.0), self.parts(Side::Receiver, pair.1));
        let (Some(sends), Some(takes)) = parts else {
            if !self.is_same(pair) {
                let why =
                    "is not compared: a keyword of it is not understood, or it holds a dynamic reference";
                self.note(Verdict::Unknown, "schema-not-understood", pair, why.into());
            }
            return;
        };
        self.comparison.goes_on(sends.inner.len().max(takes.inner.len()));
        self.defaults(pair);
        let (was, is) = self.by_age(&sends.shell, &takes.shell);
        if was.get(DISCRIMINATOR) != is.get(DISCRIMINATOR) {
            let told = |shell: &Value| shell.get(DISCRIMINATOR).map_or("none".to_owned(), describe::shown);
            let why = format!("the discriminator {} becomes {}", told(was), told(is));
            self.note(Verdict::Unknown, "discriminator-changed", pair, why);
        }
        let others = |parts: &Parts| {
            parts
                .inner
                .iter()
                .filter(|(slot, _)| slot.is_other())
                .map(|(slot, id)| (slot.clone(), *id))
                .collect::<Vec<_>>()
        };
        let (send, take) = (others(&sends), others(&takes));
        let is_alike =
            send.len() == take.len() && send.iter().zip(&take).all(|(one, other)| one.0 == other.0);
        let differing: Vec<(Slot, SchemaId, SchemaId)> = if is_alike {
            let both = send.into_iter().zip(take).map(|((slot, one), (_, other))| (slot, one, other));
            both.filter(|(_, one, other)| !self.is_same((*one, *other, self.direction))).collect()
        } else {
            Vec::new()
        };
        let is_null = |parts: &Parts| parts.shell.get("nullable").is_some();
        let is_bare = |parts: &Parts| parts.shell.is_boolean();
        if !is_alike
            || !differing.is_empty()
            || is_bare(&sends) != is_bare(&takes)
            || is_null(&sends) != is_null(&takes)
        {
            self.whole(pair, &sends, &takes, is_alike.then_some(differing));
            return;
        }
        if self.own(pair, &sends, &takes) {
            self.required(pair, &sends, &takes);
            self.members(pair, &sends, &takes, is_composed);
            self.items(pair, &sends, &takes);
        }
    }

    /// What a place asks by itself. Says whether there is more to look at.
    fn own(&mut self, pair: Pair, sends: &Parts, takes: &Parts) -> bool {
        let (sent, taken) = (without_members(&sends.shell), without_members(&takes.shell));
        if sent == taken {
            return true;
        }
        let has_inner = !sends.inner.is_empty() || !takes.inner.is_empty();
        let (old, new) = self.by_age(&sent, &taken);
        let changed = describe::changed(old, new);
        let own = self.own_answer(sent, taken);
        if own == Answer::Covered {
            self.note(Verdict::Safe, "schema-changed", pair, format!("{changed}: {}", self.words().safe));
            return true;
        }
        let answer = if has_inner { self.answer(pair) } else { own };
        let is_covered = answer == Answer::Covered;
        self.conclude(pair, answer, &changed);
        !is_covered
    }

    fn own_answer(&mut self, sender: Value, receiver: Value) -> Answer {
        let key = (sender.to_string(), receiver.to_string());
        if let Some(answer) = self.comparison.schemas.own.get(&key) {
            return answer.clone();
        }
        let answer = self.comparison.asked(Question { sender, receiver, is_receiver_closed: false });
        self.comparison.schemas.own.insert(key, answer.clone());
        answer
    }

    /// What is put together in different ways is one question. Where that is not decided, parts that all hold together may
    /// still be compared one by one.
    fn whole(
        &mut self,
        pair: Pair,
        sends: &Parts,
        takes: &Parts,
        differing: Option<Vec<(Slot, SchemaId, SchemaId)>>,
    ) {
        let (old, new) = self.by_age(&sends.shell, &takes.shell);
        let mut changed = describe::changed(old, new);
        let named: Vec<String> = match &differing {
            Some(differing) => differing.iter().filter_map(|(slot, ..)| slot.keyword()).collect(),
            None => sends.inner.keys().chain(takes.inner.keys()).filter_map(Slot::keyword).collect(),
        };
        if !named.is_empty() {
            let own = if sends.shell == takes.shell { String::new() } else { format!("{changed}, ") };
            changed = format!("{own}what stands under `{}` changed", unique(named).join("`, `"));
        }
        let is_alike = |slot: &Slot| matches!(slot, Slot::Other("allOf" | "anyOf" | "$ref", _));
        match differing {
            Some(differing) if sends.shell == takes.shell && differing.iter().all(|it| is_alike(&it.0)) => {
                self.branches(pair, sends, takes, &differing, changed);
            }
            _ => {
                let answer = self.answer(pair);
                self.conclude(pair, answer, &changed);
            }
        }
    }

    /// Branches side by side, which is cheaper than the whole and names the place. What is safe in each of them is safe; where
    /// something is not, the whole decides, since another branch may take it or declare it ([`Self::decided`]).
    fn branches(
        &mut self,
        pair: Pair,
        sends: &Parts,
        takes: &Parts,
        differing: &[(Slot, SchemaId, SchemaId)],
        changed: String,
    ) {
        for (_, one, other) in differing {
            self.pair(*one, *other, true);
        }
        self.required(pair, sends, takes);
        self.members(pair, sends, takes, true);
        self.items(pair, sends, takes);
        let is_choice = differing.iter().any(|(slot, ..)| matches!(slot, Slot::Other("anyOf", _)));
        self.sight.composition = Some(Composition { is_choice, changed });
    }

    /// What becomes of what was found in branches, the gravest of which is not safe.
    fn decided(mut self, pair: Pair, composition: &Composition, gravest: Verdict) -> Outcome {
        let names_it = !composition.is_choice && gravest == Verdict::Breaking;
        match self.answer(pair) {
            Answer::Undecided { .. } if composition.is_choice => Outcome::Weak,
            Answer::Undecided { .. } => Outcome::Stands,
            Answer::Lost { .. } if names_it => Outcome::Stands,
            answer @ (Answer::Lost { .. } | Answer::Covered) => {
                self.conclude(pair, answer, &composition.changed);
                Outcome::Instead(self.sight.found)
            }
        }
    }

    fn conclude(&mut self, pair: Pair, answer: Answer, changed: &str) {
        let words = self.words();
        match answer {
            Answer::Covered => {
                self.note(Verdict::Safe, "schema-changed", pair, format!("{changed}: {}", words.safe))
            }
            Answer::Lost { lost, witness } => {
                let why = format!("{changed}: {}", words.lost);
                self.note_with(Verdict::Breaking, words.rule, pair, why, lost, witness);
            }
            Answer::Undecided { why } => {
                self.note(Verdict::Unknown, words.rule, pair, format!("{changed}: not decided ({why})"));
            }
        }
    }

    /// Of requests: what stands for a value that is missing.
    fn defaults(&mut self, pair: Pair) {
        if self.direction == Direction::Response {
            return;
        }
        let (senders, receivers) = self.graphs();
        let (old, new) = (&senders.get(pair.0).notes().default, &receivers.get(pair.1).notes().default);
        if old != new {
            let told = |value: &Option<Value>| value.as_ref().map_or("none".to_owned(), describe::shown);
            let why = format!(
                "the default {} becomes {}: what leaving it out means may have changed",
                told(old),
                told(new)
            );
            self.note(Verdict::Unknown, "default-changed", pair, why);
        }
    }

    /// The answer for two schemas with all they are put together from.
    fn answer(&mut self, pair: Pair) -> Answer {
        if let Some(answer) = self.comparison.schemas.answers.get(&pair) {
            return answer.clone();
        }
        let sides = self
            .written(Side::Sender, pair.0)
            .and_then(|sender| Ok((sender, self.written(Side::Receiver, pair.1)?)));
        let answer = match sides {
            _ if !self.comparison.goes_on(0) => {
                Answer::Undecided { why: "the comparison as a whole is too much".into() }
            }
            Ok((sender, receiver)) => {
                let is_receiver_closed = self.direction == Direction::Request;
                self.comparison.asked(Question { sender, receiver, is_receiver_closed })
            }
            Err(why) => Answer::Undecided { why: why.why().into() },
        };
        self.comparison.schemas.answers.insert(pair, answer.clone());
        answer
    }

    /// A schema with all it is put together from. That one is too large is found out once.
    fn written(&mut self, side: Side, id: SchemaId) -> Result<Value, Unwritten> {
        let key = (side, id, self.direction);
        if !self.comparison.goes_on(0) || self.comparison.schemas.too_large.contains(&key) {
            return Err(Unwritten::TooLarge);
        }
        let (senders, receivers) = self.graphs();
        let schemas = if side == Side::Sender { senders } else { receivers };
        let is_known = |id| self.comparison.schemas.too_large.contains(&(side, id, self.direction));
        let (reached, is_large) = slice::reached(schemas, id, algebra::SCHEMAS_MAX, is_known);
        let mut written = if is_large {
            Err(Unwritten::TooLarge)
        } else {
            slice::of(schemas, id, self.direction, Notes::LeftOut, algebra::SCHEMAS_MAX)
        };
        if written.as_ref().is_ok_and(|schema| slice::nodes(schema) > algebra::NODES_MAX) {
            written = Err(Unwritten::TooLarge);
        }
        match written {
            Err(Unwritten::TooLarge) => drop(self.comparison.schemas.too_large.insert(key)),
            // Counting is much cheaper than writing.
            Ok(_) | Err(Unwritten::NotUnderstood) => drop(self.comparison.goes_on(reached)),
        }
        self.comparison.goes_on(reached.div_ceil(COUNTED_PER_STEP));
        written
    }

    /// Whether two schemas are the same, word for word, with all they refer to. All pairs on the way are decided with it, so
    /// that each is looked at once.
    fn is_same(&mut self, pair: Pair) -> bool {
        if let Some(is_same) = self.comparison.schemas.same.get(&pair) {
            return *is_same;
        }
        let mut met = HashSet::from([pair]);
        let mut waiting = vec![pair];
        let mut differing = Vec::new();
        let mut above: HashMap<Pair, Vec<Pair>> = HashMap::new();
        while let Some(at) = waiting.pop() {
            let sides = (self.parts(Side::Sender, at.0), self.parts(Side::Receiver, at.1));
            let (Some(one), Some(other)) = sides else {
                differing.push(at);
                continue;
            };
            if !self.comparison.goes_on(one.inner.len().saturating_add(1)) {
                return false;
            }
            let is_alike = one.shell == other.shell
                && one.required == other.required
                && one.hidden == other.hidden
                && one.inner.keys().eq(other.inner.keys());
            if !is_alike {
                differing.push(at);
                continue;
            }
            for (one, other) in one.inner.values().zip(other.inner.values()) {
                let inner = (*one, *other, at.2);
                match self.comparison.schemas.same.get(&inner) {
                    Some(true) => {}
                    Some(false) => differing.push(at),
                    None => {
                        above.entry(inner).or_default().push(at);
                        if met.insert(inner) {
                            waiting.push(inner);
                        }
                    }
                }
            }
        }
        let same = &mut self.comparison.schemas.same;
        while let Some(at) = differing.pop() {
            if same.insert(at, false).is_none() {
                differing.extend(above.remove(&at).unwrap_or_default());
            }
        }
        for pair in met {
            same.entry(pair).or_insert(true);
        }
        same.get(&pair).copied().unwrap_or_default()
    }

    fn by_age<'v>(&self, sends: &'v Value, takes: &'v Value) -> (&'v Value, &'v Value) {
        match self.direction {
            Direction::Request => (sends, takes),
            Direction::Response => (takes, sends),
        }
    }

    fn words(&self) -> Words {
        match self.direction {
            Direction::Request => Words {
                rule: "request-narrowed",
                lost: "values that were taken are refused",
                safe: "what was taken still is",
            },
            Direction::Response => Words {
                rule: "response-widened",
                lost: "values may be sent that were not spoken of",
                safe: "nothing is sent that was not spoken of",
            },
        }
    }

    fn note(&mut self, verdict: Verdict, rule: &'static str, pair: Pair, why: String) {
        self.note_with(verdict, rule, pair, why, None, None);
    }

    fn note_with(
        &mut self,
        verdict: Verdict,
        rule: &'static str,
        pair: Pair,
        why: String,
        lost: Option<Value>,
        witness: Option<Value>,
    ) {
        let change = self.change(verdict, rule, pair, why, lost, witness);
        self.sight.found.push(change);
    }

    fn change(
        &self,
        verdict: Verdict,
        rule: &'static str,
        (sender, receiver, _): Pair,
        why: String,
        lost: Option<Value>,
        witness: Option<Value>,
    ) -> Change {
        let (old, new) = match self.direction {
            Direction::Request => (sender, receiver),
            Direction::Response => (receiver, sender),
        };
        let comparison = &*self.comparison;
        let place = |definition: &crate::definition::Definition, id| {
            let span = definition.schemas.get(id).span;
            (span.line > 0).then(|| Place::of(&definition.files, span))
        };
        Change {
            pointer: self.pointer(),
            old: place(comparison.old, old),
            new: place(comparison.new, new),
            lost,
            witness,
            ..Change::of_all(verdict, rule, why)
        }
    }
}

struct Words {
    rule: &'static str,
    lost: &'static str,
    safe: &'static str,
}

impl Unwritten {
    fn why(self) -> &'static str {
        match self {
            Self::TooLarge => "the schemas are too large to be compared",
            Self::NotUnderstood => "a keyword is not understood, or there is a dynamic reference",
        }
    }
}
