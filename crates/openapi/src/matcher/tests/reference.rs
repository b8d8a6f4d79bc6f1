//! The matcher against one that tries all templates: same answers on random templates and paths.
//!
//! The reference shares nothing with the tree: it keeps the pieces the generator wrote, splits segments by trying every
//! split over tokens, and sorts the templates by their segments.

use std::cmp::Ordering;

use http::Method;

use super::super::{Match, MatcherBuilder, Methods};
use crate::template::Template;

/// SplitMix64: small, and the seed is printed on failure.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<'x>(&mut self, choices: &[&'x str]) -> &'x str {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

/// One segment: text alternating with parameters, beginning and ending with text.
#[derive(Clone, PartialEq, Eq)]
enum Segment {
    Texts(Vec<&'static str>),
    Rest,
}

struct Operation {
    /// `None` is any.
    method: Option<Method>,
    segments: Vec<Segment>,
}

const TEXTS: &[&str] = &["a", "b", "ab", "2", ".", "C", "%2C", ""];
const METHODS: &[&str] = &["GET", "HEAD", "POST", "OPTIONS", "QUERY"];

fn random_operation(random: &mut Random) -> Operation {
    let mut segments = Vec::new();
    for _ in 0..random.below(4) + 1 {
        segments.push(Segment::Texts(match random.below(8) {
            0..=3 => vec![match random.pick(TEXTS) {
                "." => "a",
                text => text,
            }],
            4 | 5 => vec!["", ""],
            6 => vec![random.pick(TEXTS), random.pick(TEXTS)],
            _ => vec![random.pick(TEXTS), random.pick(&TEXTS[..7]), random.pick(TEXTS)],
        }));
    }
    if random.below(8) == 0 {
        segments.push(Segment::Rest);
    }
    let method = match random.below(6) {
        0 => None,
        _ => Some(random.pick(METHODS).parse().unwrap()),
    };
    Operation { method, segments }
}

fn write(operation: &Operation, random: &mut Random) -> String {
    let mut source = String::new();
    let mut names = 0;
    let salt = random.below(3);
    for segment in &operation.segments {
        source.push('/');
        match segment {
            Segment::Rest => source.push_str("{rest*}"),
            Segment::Texts(texts) => {
                for (at, text) in texts.iter().enumerate() {
                    if at > 0 {
                        source.push_str(&format!("{{p{salt}{names}}}"));
                        names += 1;
                    }
                    source.push_str(text);
                }
            }
        }
    }
    source
}

fn random_path(random: &mut Random) -> String {
    let mut path = String::new();
    for _ in 0..random.below(5) {
        path.push('/');
        for _ in 0..random.below(4) {
            path.push_str(random.pick(TEXTS));
        }
    }
    path
}

/// A canonical path is made of tokens: bytes and escapes.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (token, left) = rest.split_at(if rest.starts_with('%') { 3 } else { 1 });
        tokens.push(token);
        rest = left;
    }
    tokens
}

/// The values of the parameters by the first split that fits, trying short values first.
fn split(texts: &[&str], segment: &[&str]) -> Option<Vec<String>> {
    let (first, later) = texts.split_first().unwrap();
    let first = tokens(first);
    if !segment.starts_with(&first) {
        return None;
    }
    let segment = &segment[first.len()..];
    if later.is_empty() {
        return segment.is_empty().then(Vec::new);
    }
    for length in 1..=segment.len() {
        if let Some(values) = split(later, &segment[length..]) {
            return Some([vec![segment[..length].concat()], values].concat());
        }
    }
    None
}

fn values(operation: &Operation, path: &str) -> Option<Vec<String>> {
    let mut given: Vec<&str> = path.split('/').skip(1).collect();
    let mut values = Vec::new();
    for segment in &operation.segments {
        match segment {
            Segment::Rest => {
                values.push(given.join("/"));
                return Some(values);
            }
            Segment::Texts(texts) => {
                if given.is_empty() {
                    return None;
                }
                values.extend(split(texts, &tokens(given.remove(0)))?);
            }
        }
    }
    given.is_empty().then_some(values)
}

/// Literal, affixed by how much text, parameter; nothing more before the rest.
fn concreteness(segment: Option<&Segment>) -> (u8, usize, Vec<&str>) {
    match segment {
        None => (0, 0, vec![]),
        Some(Segment::Texts(texts)) if texts.len() == 1 => (1, 0, texts.clone()),
        Some(Segment::Texts(texts)) if texts.iter().all(|text| text.is_empty()) => (3, 0, vec![]),
        Some(Segment::Texts(texts)) => {
            let bytes: usize = texts.iter().map(|text| text.len()).sum();
            (
                2,
                (1000 - bytes) * 10 + texts.len(),
                vec![texts[0]]
                    .into_iter()
                    .chain(texts[1..texts.len() - 1].iter().copied())
                    .chain([texts[texts.len() - 1]])
                    .collect(),
            )
        }
        Some(Segment::Rest) => (4, 0, vec![]),
    }
}

fn order(left: &Operation, right: &Operation) -> Ordering {
    for at in 0.. {
        let sides = (left.segments.get(at), right.segments.get(at));
        let found = concreteness(sides.0).cmp(&concreteness(sides.1));
        if found != Ordering::Equal || sides.0.is_none() {
            return found;
        }
    }
    Ordering::Equal
}

/// The answer by the rules as the documentation tells them: index and values, or the methods found for the path.
fn reference(
    operations: &[Operation],
    method: &Method,
    path: &str,
) -> Result<(usize, Vec<String>), Vec<Method>> {
    let mut matching: Vec<usize> =
        (0..operations.len()).filter(|at| values(&operations[*at], path).is_some()).collect();
    matching.sort_by(|left, right| order(&operations[*left], &operations[*right]));
    let find = |method: &Method| -> Option<usize> {
        let mut shapes =
            matching.chunk_by(|left, right| operations[*left].segments == operations[*right].segments);
        let first = shapes.clone().next()?;
        shapes.find_map(|shape| {
            let declared = |wanted: &Method| {
                shape.iter().copied().find(|at| operations[*at].method.as_ref() == Some(wanted))
            };
            let is_greedy = operations[shape[0]].segments.contains(&Segment::Rest);
            if is_greedy && shape != first {
                return None;
            }
            let get = declared(&Method::GET).filter(|_| method == Method::HEAD);
            let any = shape.iter().copied().find(|at| operations[*at].method.is_none());
            declared(method).or(get).or(any.filter(|_| shape == first && Methods::ANY.contains(method)))
        })
    };
    if let Some(found) = find(method) {
        return Ok((found, values(&operations[found], path).unwrap()));
    }
    if matching.is_empty() {
        return Err(vec![]);
    }
    let others = [Method::from_bytes(b"QUERY").unwrap()];
    let all = Methods::ANY.iter().chain(&others);
    Err(all.filter(|method| *method == Method::OPTIONS || find(method).is_some()).cloned().collect())
}

fn round(seed: u64) {
    let mut random = Random(seed);
    let mut builder = MatcherBuilder::new();
    let mut operations: Vec<Operation> = Vec::new();
    let mut sources = Vec::new();
    for _ in 0..random.below(40) + 1 {
        let operation = random_operation(&mut random);
        let source = write(&operation, &mut random);
        let methods = operation.method.clone().map_or(Methods::Any, Methods::One);
        let existing = operations
            .iter()
            .position(|known| known.method == operation.method && known.segments == operation.segments);
        let inserted = builder.insert(methods, Template::parse(&source).unwrap(), ());
        assert_eq!(inserted.err().map(|clash| clash.existing), existing, "seed {seed}, {source}");
        if existing.is_none() {
            sources.push(format!("{} {source}", operation.method.as_ref().map_or("*", Method::as_str)));
            operations.push(operation);
        }
    }
    let matcher = builder.build().unwrap();
    for _ in 0..100 {
        let path = random_path(&mut random);
        let method: Method = random.pick(METHODS).parse().unwrap();
        let expected = reference(&operations, &method, &path);
        let found = match matcher.find(&method, &path) {
            Match::Found { template, parameters, .. } => Ok((
                template,
                parameters.iter().map(|(_, span)| span.of(&path).unwrap().to_owned()).collect(),
            )),
            Match::MethodNotAllowed { allow } => Err(allow.methods().to_vec()),
            Match::NotFound => Err(vec![]),
        };
        assert_eq!(found, expected, "seed {seed}: {method} {path} among {sources:#?}");
    }
}

#[test]
fn the_tree_answers_as_trying_all_templates_would() {
    for seed in 0..500 {
        round(seed);
    }
}
