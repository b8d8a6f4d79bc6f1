//! The walk through the tree for one request.

use http::Method;
use smallvec::SmallVec;

use super::builder::{Leaf, Node};
use super::{Allow, Match, Matcher, Methods, Parameters, Span, Spans, index};

pub(super) fn find<'m, T>(matcher: &'m Matcher<T>, method: &Method, path: &str) -> Match<'m, T> {
    let mut search = Search {
        nodes: &matcher.nodes,
        method,
        path,
        spans: Spans::new(),
        is_owned: false,
        allow: SmallVec::new(),
        found: None,
    };
    let start = if path.is_empty() { None } else { Some(1) };
    if path.is_empty() || path.starts_with('/') {
        search.visit(0, start);
    }
    if let Some(found) = search.found.map(index)
        && let (Some(value), Some((_, template))) = (matcher.values.get(found), matcher.entries.get(found))
    {
        let parameters = Parameters { template, spans: search.spans };
        return Match::Found { value, template: found, parameters };
    }
    if search.is_owned { Match::MethodNotAllowed { allow: search.into_allow() } } else { Match::NotFound }
}

struct Search<'m, 'r> {
    nodes: &'m [Node],
    method: &'r Method,
    path: &'r str,
    spans: Spans,
    /// Whether a template matched the path already: a later one that is greedy or for any method may not step in.
    is_owned: bool,
    /// The methods of the matching templates so far, with repetitions.
    allow: SmallVec<[&'m Method; 8]>,
    found: Option<u32>,
}

impl<'m> Search<'m, '_> {
    /// Searches below a node for the path from `start`, which is the first byte of a segment, or `None` at the end.
    /// True when found; the spans are then those of the match, else as before.
    fn visit(&mut self, node: u32, start: Option<usize>) -> bool {
        let Some(node) = self.nodes.get(index(node)) else { return false };
        let Some(start) = start else {
            return node.end.as_ref().is_some_and(|leaf| self.judge(leaf, false))
                || node.rest.as_ref().is_some_and(|leaf| self.rest(leaf, self.path.len()));
        };
        let rest = self.path.get(start..).unwrap_or_default();
        // PERF: segments are short; a search by words costs three times as much to begin with.
        let segment = match rest.bytes().position(|byte| byte == b'/') {
            Some(slash) => rest.get(..slash).unwrap_or_default(),
            None => rest,
        };
        let end = start.saturating_add(segment.len());
        let next = (end < self.path.len()).then_some(end.saturating_add(1));
        if let Some(child) = node.literals.get(segment)
            && self.visit(child, next)
        {
            return true;
        }
        if !segment.is_empty()
            && (self.affixed(node, segment, start, next) || self.parameter(node, start, end, next))
        {
            return true;
        }
        node.rest.as_ref().is_some_and(|leaf| self.rest(leaf, start))
    }

    fn affixed(&mut self, node: &'m Node, segment: &str, start: usize, next: Option<usize>) -> bool {
        let Some(affixes) = &node.affixes else { return false };
        let kept = self.spans.len();
        for rank in affixes.candidates(segment) {
            if let Some(child) = affixes.fit(rank, segment, start, &mut self.spans) {
                if self.visit(child, next) {
                    return true;
                }
                self.spans.truncate(kept);
            }
        }
        false
    }

    fn parameter(&mut self, node: &'m Node, start: usize, end: usize, next: Option<usize>) -> bool {
        let Some(child) = node.parameter else { return false };
        self.spans.push(Span { start, end });
        if self.visit(child, next) {
            return true;
        }
        self.spans.pop();
        false
    }

    fn rest(&mut self, leaf: &'m Leaf, start: usize) -> bool {
        self.spans.push(Span { start, end: self.path.len() });
        if self.judge(leaf, true) {
            return true;
        }
        self.spans.pop();
        false
    }

    /// Decides whether a leaf that matches the path takes the request.
    fn judge(&mut self, leaf: &'m Leaf, greedy: bool) -> bool {
        let was_owned = std::mem::replace(&mut self.is_owned, true);
        if was_owned && greedy {
            return false;
        }
        self.found = leaf.explicit(self.method).or(if was_owned { None } else { leaf.any(self.method) });
        if self.found.is_some() {
            return true;
        }
        leaf.each_explicit(|method| self.allow.push(method));
        if !was_owned && leaf.of_any().is_some() {
            self.allow.extend(Methods::ANY);
        }
        false
    }

    fn into_allow(self) -> Allow {
        let has = |method: &Method| self.allow.contains(&method);
        let is_known = |method: &&Method| {
            has(method) || **method == Method::OPTIONS || (**method == Method::HEAD && has(&Method::GET))
        };
        let mut methods: SmallVec<[Method; 8]> = Methods::ANY.iter().filter(is_known).cloned().collect();
        let mut others: SmallVec<[&Method; 8]> =
            self.allow.iter().copied().filter(|method| !Methods::ANY.contains(method)).collect();
        others.sort_unstable_by_key(|method| method.as_str());
        others.dedup();
        methods.extend(others.into_iter().cloned());
        Allow(methods)
    }
}

impl Leaf {
    /// The operation declared for a method; HEAD goes where GET is unless it is declared.
    fn explicit(&self, method: &Method) -> Option<u32> {
        let declared = |wanted: &Method| match self {
            Self::One(known, entry) => (*known == wanted).then_some(*entry),
            Self::Any(_) => None,
            Self::Many(all) => {
                all.explicit.iter().find(|(known, _)| known == wanted).map(|(_, entry)| *entry)
            }
        };
        declared(method).or_else(|| if method == Method::HEAD { declared(&Method::GET) } else { None })
    }

    /// The operation declared for any method, if this is one of them.
    fn any(&self, method: &Method) -> Option<u32> {
        self.of_any().filter(|_| Methods::ANY.contains(method))
    }

    fn of_any(&self) -> Option<u32> {
        match self {
            Self::One(..) => None,
            Self::Any(entry) => Some(*entry),
            Self::Many(all) => all.any,
        }
    }

    /// The methods that operations are declared for one by one.
    fn each_explicit<'m>(&'m self, mut see: impl FnMut(&'m Method)) {
        match self {
            Self::One(method, _) => see(method),
            Self::Any(_) => {}
            Self::Many(all) => all.explicit.iter().for_each(|(method, _)| see(method)),
        }
    }
}
