//! The grammar of RFC 9535, read by descent, with the types of function calls (§2.4.3) checked on the way.

use super::{
    BYTES_MAX, Comparable, Comparison, DEPTH_MAX, FILTERS_MAX, Fault, Literal, Logical, Matches, PARTS_MAX,
    Part, Path, Pattern, Query, Selector, pattern,
};
use crate::source::Number;

pub(super) fn parse(text: &str) -> Result<Query, Fault> {
    let mut parser = Parser { text, at: 0, filters: 0, depth: 0 };
    if text.len() > BYTES_MAX {
        return Err(parser.fault(format!("more than {BYTES_MAX} bytes")));
    }
    if !parser.takes("$") {
        return Err(parser.fault("a query begins with `$`"));
    }
    let parts = parser.parts()?;
    match parser.peek() {
        None => Ok(Query { parts }),
        // What `$.x-name` is meant to say.
        Some('-') => Err(parser.fault("`-` stands in names within brackets only, as in `['x-name']`,")),
        Some(_) => Err(parser.fault("unexpected text")),
    }
}

struct Parser<'t> {
    text: &'t str,
    /// Bytes read; always at a character's beginning.
    at: usize,
    /// Filters that are open.
    filters: usize,
    /// Parentheses and calls that are open.
    depth: usize,
}

/// What stands on one side of a comparison, or alone.
enum Operand {
    Literal(Literal),
    Path(Path),
    Value(Comparable),
    Matches(Matches),
}

type Parsed<T> = Result<T, Fault>;

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at = self.at.saturating_add(c.len_utf8());
        Some(c)
    }

    fn takes(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        if found {
            self.at = self.at.saturating_add(what.len());
        }
        found
    }

    fn require(&mut self, what: &str) -> Parsed<()> {
        if self.takes(what) { Ok(()) } else { Err(self.fault(format!("expected `{what}`"))) }
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        let blank = rest.len().saturating_sub(rest.trim_start_matches([' ', '\t', '\n', '\r']).len());
        self.at = self.at.saturating_add(blank);
    }

    /// The characters from here on that fit.
    fn run(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(end);
        rest.get(..end).unwrap_or_default()
    }

    fn fault(&self, message: impl Into<String>) -> Fault {
        let before = self.text.get(..self.at).unwrap_or_default();
        Fault { character: before.chars().count().saturating_add(1), message: message.into() }
    }

    /// The segments of a path, as long as there are any.
    fn parts(&mut self) -> Parsed<Vec<Part>> {
        let mut parts = Vec::new();
        loop {
            let before = self.at;
            self.blanks();
            let Some(part) = self.part()? else {
                // Blanks stand between segments, not behind them.
                self.at = before;
                return Ok(parts);
            };
            if parts.len() >= PARTS_MAX {
                return Err(self.fault(format!("more than {PARTS_MAX} steps")));
            }
            parts.push(part);
        }
    }

    fn part(&mut self) -> Parsed<Option<Part>> {
        let descendant = self.takes("..");
        if self.peek() == Some('[') {
            return Ok(Some(Part { descendant, selectors: self.bracketed()? }));
        }
        if !descendant && !self.takes(".") {
            return Ok(None);
        }
        if self.takes("*") {
            return Ok(Some(Part { descendant, selectors: vec![Selector::Wildcard] }));
        }
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
        if !self.peek().is_some_and(is_first) {
            return Err(self.fault("expected a name, `*` or `[`"));
        }
        let name = self.run(|c| is_first(c) || c.is_ascii_digit());
        Ok(Some(Part { descendant, selectors: vec![Selector::Name(name.into())] }))
    }

    fn bracketed(&mut self) -> Parsed<Vec<Selector>> {
        self.require("[")?;
        let mut selectors = Vec::new();
        loop {
            self.blanks();
            selectors.push(self.selector()?);
            self.blanks();
            if self.takes("]") {
                return Ok(selectors);
            }
            self.require(",")?;
        }
    }

    fn selector(&mut self) -> Parsed<Selector> {
        match self.peek() {
            Some('\'' | '"') => Ok(Selector::Name(self.string()?.into())),
            Some('*') => {
                self.next();
                Ok(Selector::Wildcard)
            }
            Some('?') => {
                self.next();
                if self.filters >= FILTERS_MAX {
                    return Err(self.fault(format!("more than {FILTERS_MAX} filters within each other")));
                }
                self.filters = self.filters.saturating_add(1);
                self.blanks();
                let filter = self.or()?;
                self.filters = self.filters.saturating_sub(1);
                Ok(Selector::Filter(filter))
            }
            _ => self.index_or_slice(),
        }
    }

    fn index_or_slice(&mut self) -> Parsed<Selector> {
        let start = self.optional_integer()?;
        let before = self.at;
        self.blanks();
        if !self.takes(":") {
            self.at = before;
            return start.map(Selector::Index).ok_or_else(|| self.fault("expected a selector"));
        }
        self.blanks();
        let end = self.optional_integer()?;
        let before = self.at;
        self.blanks();
        let mut step = 1;
        if self.takes(":") {
            self.blanks();
            step = self.optional_integer()?.unwrap_or(1);
        } else {
            self.at = before;
        }
        Ok(Selector::Slice { start, end, step })
    }

    /// An integer that every JSON reader can hold (RFC 7493).
    fn optional_integer(&mut self) -> Parsed<Option<i64>> {
        const MOST: i64 = (1 << 53) - 1;
        let begin = self.at;
        let negative = self.takes("-");
        let digits = self.run(|c| c.is_ascii_digit());
        if digits.is_empty() && !negative {
            return Ok(None);
        }
        let leading = digits.starts_with('0') && (digits.len() > 1 || negative);
        let number = self.text.get(begin..self.at).and_then(|text| text.parse::<i64>().ok());
        match number.filter(|number| !leading && (-MOST..=MOST).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                self.at = begin;
                Err(self.fault("not an integer that can be used here"))
            }
        }
    }

    fn string(&mut self) -> Parsed<String> {
        let Some(quote) = self.next() else { return Err(self.fault("expected a string")) };
        let mut string = String::new();
        loop {
            match self.next() {
                Some(c) if c == quote => return Ok(string),
                Some('\\') => string.push(self.escaped(quote)?),
                Some(c) if c >= ' ' => string.push(c),
                Some(_) => return Err(self.fault("a control character in a string")),
                None => return Err(self.fault("the string does not end")),
            }
        }
    }

    fn escaped(&mut self, quote: char) -> Parsed<char> {
        match self.next() {
            Some(c) if c == quote => Ok(c),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some(c @ ('/' | '\\')) => Ok(c),
            Some('u') => self.unicode(),
            _ => Err(self.fault("an unknown escape")),
        }
    }

    fn unicode(&mut self) -> Parsed<char> {
        let first = self.hexadecimal()?;
        let code = match first {
            0xD800..=0xDBFF => {
                let second = if self.takes("\\u") { self.hexadecimal()? } else { 0 };
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(self.fault("half of a surrogate pair"));
                }
                let (high, low) = (first.saturating_sub(0xD800), second.saturating_sub(0xDC00));
                0x1_0000_u32.saturating_add(high << 10).saturating_add(low)
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| self.fault("half of a surrogate pair"))
    }

    fn hexadecimal(&mut self) -> Parsed<u32> {
        let digits = self.rest().get(..4).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(digits) = digits else { return Err(self.fault("expected four hexadecimal digits")) };
        self.at = self.at.saturating_add(4);
        u32::from_str_radix(digits, 16).map_err(|_| self.fault("expected four hexadecimal digits"))
    }

    fn or(&mut self) -> Parsed<Logical> {
        self.joined("||", Self::and, Logical::Or)
    }

    fn and(&mut self) -> Parsed<Logical> {
        self.joined("&&", Self::basic, Logical::And)
    }

    /// One expression, or several with an operator between them.
    fn joined(
        &mut self,
        operator: &str,
        one: fn(&mut Self) -> Parsed<Logical>,
        join: fn(Vec<Logical>) -> Logical,
    ) -> Parsed<Logical> {
        let first = one(self)?;
        let mut more = Vec::new();
        loop {
            let before = self.at;
            self.blanks();
            if !self.takes(operator) {
                self.at = before;
                break;
            }
            self.blanks();
            more.push(one(self)?);
        }
        if more.is_empty() {
            return Ok(first);
        }
        more.insert(0, first);
        Ok(join(more))
    }

    /// Goes into parentheses or a call, as deep as that may be.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= DEPTH_MAX {
            return Err(self.fault(format!("nested more than {DEPTH_MAX} deep")));
        }
        self.depth = self.depth.saturating_add(1);
        let result = inner(self);
        self.depth = self.depth.saturating_sub(1);
        result
    }

    fn basic(&mut self) -> Parsed<Logical> {
        let negated = self.takes("!");
        if negated {
            self.blanks();
        }
        let expression = if self.takes("(") {
            self.deeper(|parser| {
                parser.blanks();
                let inner = parser.or()?;
                parser.blanks();
                parser.require(")")?;
                Ok(inner)
            })?
        } else {
            let operand = self.operand()?;
            let comparison = if negated { None } else { self.comparison() };
            match comparison {
                Some(comparison) => {
                    let left = self.comparable(operand)?;
                    self.blanks();
                    let right = self.operand()?;
                    Logical::Compare(left, comparison, self.comparable(right)?)
                }
                None => self.test(operand)?,
            }
        };
        Ok(if negated { Logical::Not(Box::new(expression)) } else { expression })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let before = self.at;
        self.blanks();
        let known = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let found = known.into_iter().find(|(text, _)| self.takes(text));
        if found.is_none() {
            self.at = before;
        }
        found.map(|(_, comparison)| comparison)
    }

    fn comparable(&self, operand: Operand) -> Parsed<Comparable> {
        match operand {
            Operand::Literal(literal) => Ok(Comparable::Literal(literal)),
            Operand::Value(value) => Ok(value),
            Operand::Path(path) if path.is_singular() => Ok(Comparable::Singular(path)),
            Operand::Path(_) => Err(self.fault("a query that may lead to several nodes has no value")),
            Operand::Matches(_) => Err(self.fault("`match` and `search` have no value to compare")),
        }
    }

    fn test(&self, operand: Operand) -> Parsed<Logical> {
        match operand {
            Operand::Path(path) => Ok(Logical::Exists(path)),
            Operand::Matches(matches) => Ok(Logical::Matches(Box::new(matches))),
            Operand::Literal(_) | Operand::Value(_) => Err(self.fault("expected a comparison")),
        }
    }

    fn operand(&mut self) -> Parsed<Operand> {
        match self.peek() {
            Some('\'' | '"') => Ok(Operand::Literal(Literal::Text(self.string()?.into()))),
            Some(from @ ('@' | '$')) => {
                self.next();
                Ok(Operand::Path(Path { from_root: from == '$', parts: self.parts()? }))
            }
            Some('-' | '0'..='9') => Ok(Operand::Literal(Literal::Number(self.number()?))),
            Some('a'..='z') => {
                let begin = self.at;
                let word = self.run(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
                if self.takes("(") {
                    return self.deeper(|parser| parser.call(word));
                }
                match word {
                    "true" => Ok(Operand::Literal(Literal::Bool(true))),
                    "false" => Ok(Operand::Literal(Literal::Bool(false))),
                    "null" => Ok(Operand::Literal(Literal::Null)),
                    _ => {
                        self.at = begin;
                        Err(self.fault("expected `@`, `$`, a literal or a function"))
                    }
                }
            }
            _ => Err(self.fault("expected `@`, `$`, a literal or a function")),
        }
    }

    fn number(&mut self) -> Parsed<Number> {
        let begin = self.at;
        let fault = |parser: &Self| Err(parser.fault("not a number"));
        self.takes("-");
        let whole = self.run(|c| c.is_ascii_digit());
        if whole.is_empty() || whole.len() > 1 && whole.starts_with('0') {
            return fault(self);
        }
        if self.takes(".") && self.run(|c| c.is_ascii_digit()).is_empty() {
            return fault(self);
        }
        if self.takes("e") || self.takes("E") {
            let _signed = self.takes("-") || self.takes("+");
            if self.run(|c| c.is_ascii_digit()).is_empty() {
                return fault(self);
            }
        }
        Ok(Number::new(self.text.get(begin..self.at).unwrap_or_default()))
    }

    /// A function call, its name and parenthesis taken.
    fn call(&mut self, name: &str) -> Parsed<Operand> {
        let mut arguments = Vec::new();
        self.blanks();
        if !self.takes(")") {
            loop {
                arguments.push(self.operand()?);
                self.blanks();
                if self.takes(")") {
                    break;
                }
                self.require(",")?;
                self.blanks();
            }
        }
        let mut arguments = arguments.into_iter();
        let call = (arguments.next(), arguments.next(), arguments.next());
        match (name, call) {
            ("length", (Some(of), None, None)) => {
                Ok(Operand::Value(Comparable::Length(Box::new(self.comparable(of)?))))
            }
            ("count", (Some(Operand::Path(path)), None, None)) => Ok(Operand::Value(Comparable::Count(path))),
            ("value", (Some(Operand::Path(path)), None, None)) => Ok(Operand::Value(Comparable::Value(path))),
            ("match" | "search", (Some(text), Some(pattern), None)) => {
                let text = self.comparable(text)?;
                let whole = name == "match";
                let pattern = self.pattern(pattern, whole)?;
                Ok(Operand::Matches(Matches { whole, text, pattern }))
            }
            ("count" | "value", (Some(_), None, None)) => Err(self.fault(format!("`{name}` takes a query"))),
            ("length" | "count" | "value", _) => Err(self.fault(format!("`{name}` takes one argument"))),
            ("match" | "search", _) => Err(self.fault(format!("`{name}` takes two arguments"))),
            _ => Err(self.fault(format!("there is no function `{name}`"))),
        }
    }

    fn pattern(&self, operand: Operand, whole: bool) -> Parsed<Pattern> {
        match self.comparable(operand)? {
            Comparable::Literal(Literal::Text(text)) => pattern::compile(&text, whole)
                .map(Pattern::Written)
                .ok_or_else(|| self.fault("the pattern is no I-Regexp (RFC 9485)")),
            Comparable::Literal(_) => Ok(Pattern::None),
            found => Ok(Pattern::Found(found)),
        }
    }
}
