//! Judges a condition before anybody is judged by it: no loops, every name known, types that agree.
//!
//! Types are told as far as they can be without running it: what a header or a parameter holds is text, whether it is
//! there shows when it is asked for.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SelectExpr};

use crate::config::is_field_name;

/// The longest condition.
pub(super) const BYTES_MAX: usize = 1024;
/// Parentheses and brackets, and `?`s: a parser goes as deep.
const BRACKETS_MAX: usize = 32;
const BRANCHES_MAX: usize = 8;
/// How deep an expression may be once it is read: judging and evaluating go as deep.
const DEPTH_MAX: usize = 64;

/// Whether a text can be read within bounds. A document that is not the operator's own may carry one.
pub(super) fn bounds(text: &str) -> Result<(), String> {
    if text.len() > BYTES_MAX {
        return Err(format!("is longer than {BYTES_MAX} bytes"));
    }
    // Those within texts, too: a bound that has to read the language first is none.
    let count = |those: &[u8]| text.bytes().filter(|byte| those.contains(byte)).count();
    if count(b"([{") > BRACKETS_MAX || count(b"?") > BRANCHES_MAX {
        return Err(format!("has more than {BRACKETS_MAX} brackets or {BRANCHES_MAX} `?`"));
    }
    Ok(())
}

/// What a condition reads of a request.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// Of whom and what.
    pub(super) roots: Vec<Root>,
    /// Fields, by their names in lower case.
    pub(super) headers: Vec<Box<str>>,
    /// Parameters of the query.
    pub(super) query: Vec<Box<str>>,
}

/// What a condition can speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// Who calls.
    Caller,
    /// What the caller's token says.
    Claims,
    /// What is known of the app.
    Posture,
    /// What is asked for.
    Request,
    /// Parameters of the path.
    Path,
    /// Where it comes from.
    Client,
}

impl Root {
    const ALL: [Self; 6] =
        [Self::Caller, Self::Claims, Self::Posture, Self::Request, Self::Path, Self::Client];

    /// Its name in conditions.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Claims => "claims",
            Self::Posture => "posture",
            Self::Request => "request",
            Self::Path => "path",
            Self::Client => "client",
        }
    }

    /// The type of what is called `name` below it.
    fn member(self, name: &str, parameters: &[&str]) -> Result<Type, String> {
        let known: &[(&str, Type)] = match self {
            Self::Caller => &[
                ("consumer", Type::Text),
                ("credential", Type::Text),
                ("scopes", Type::List),
                ("anonymous", Type::Bool),
            ],
            Self::Request => &[
                ("method", Type::Text),
                ("host", Type::Text),
                ("path", Type::Text),
                ("headers", Type::Texts(Texts::Headers)),
                ("query", Type::Texts(Texts::Query)),
            ],
            Self::Posture => &[("attested", Type::Bool), ("claims", Type::Any)],
            Self::Client => &[("address", Type::Text)],
            Self::Claims => return Ok(Type::Any),
            Self::Path if parameters.contains(&name) => return Ok(Type::Text),
            Self::Path => &[],
        };
        let found = known.iter().find(|(own, _)| *own == name).map(|(_, kind)| *kind);
        found.ok_or_else(|| {
            let names: Vec<&str> = match self {
                Self::Path => parameters.to_vec(),
                Self::Caller | Self::Claims | Self::Posture | Self::Request | Self::Client => {
                    known.iter().map(|(own, _)| *own).collect()
                }
            };
            let own = self.as_str();
            match names.is_empty() {
                true => format!("speaks of `{own}.{name}`, and the path has no parameters"),
                false => format!("speaks of `{own}.{name}`; hint: `{own}` has `{}`", names.join("`, `")),
            }
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Bool,
    Text,
    Number,
    List,
    /// Texts by name.
    Texts(Texts),
    /// One of the roots itself.
    Root(Root),
    /// Cannot be told.
    Any,
}

/// Texts of the request by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texts {
    Headers,
    Query,
}

impl Texts {
    fn as_str(self) -> &'static str {
        match self {
            Self::Headers => "request.headers",
            Self::Query => "request.query",
        }
    }
}

impl Type {
    fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Text => "a text",
            Self::Number => "a number",
            Self::List => "a list",
            Self::Texts(_) | Self::Root(_) => "a map",
            Self::Any => "anything",
        }
    }
}

/// What a condition reads, or what is wrong with it. `parameters` are those of the path.
pub(super) fn judge(expression: &IdedExpr, parameters: &[&str]) -> Result<Reads, String> {
    let mut judge = Judge { parameters, reads: Reads::default(), depth: 0 };
    let kind = judge.of(expression)?;
    expect(kind, Type::Bool, "the condition")?;
    Ok(judge.reads)
}

struct Judge<'a> {
    parameters: &'a [&'a str],
    reads: Reads,
    depth: usize,
}

impl Judge<'_> {
    fn of(&mut self, expression: &IdedExpr) -> Result<Type, String> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH_MAX {
            return Err(format!("is more than {DEPTH_MAX} operations deep"));
        }
        let kind = self.kind(expression)?;
        self.depth = self.depth.saturating_sub(1);
        Ok(kind)
    }

    fn kind(&mut self, expression: &IdedExpr) -> Result<Type, String> {
        match &expression.expr {
            Expr::Ident(name) => self.root(name).map(Type::Root),
            Expr::Literal(literal) => Ok(match literal {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::String(_) => Type::Text,
                LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_) => Type::Number,
                LiteralValue::Bytes(_) | LiteralValue::Null => Type::Any,
            }),
            Expr::List(list) => {
                list.elements.iter().try_for_each(|element| self.value(element).map(drop))?;
                Ok(Type::List)
            }
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(_) => {
                Err("has a loop: `all`, `exists`, `map` and `filter` are not taken".to_owned())
            }
            Expr::Map(_) | Expr::Struct(_) => Err("builds a map or a message, which is not taken".to_owned()),
            Expr::Unspecified => Err("is no condition".to_owned()),
        }
    }

    /// The type of something that is not a map of ours as a whole.
    fn value(&mut self, expression: &IdedExpr) -> Result<Type, String> {
        match self.of(expression)? {
            Type::Root(root) => {
                Err(format!("takes `{0}` for a value; hint: name what is meant: `{0}.…`", root.as_str()))
            }
            Type::Texts(texts) => Err(format!(
                "takes `{0}` for a value; hint: name what is meant: `{0}[\"name\"]`",
                texts.as_str()
            )),
            kind => Ok(kind),
        }
    }

    fn root(&mut self, name: &str) -> Result<Root, String> {
        let Some(root) = Root::ALL.into_iter().find(|root| root.as_str() == name) else {
            let known = Root::ALL.map(Root::as_str).join("`, `");
            return Err(format!("speaks of `{name}`; hint: known are `{known}`"));
        };
        if !self.reads.roots.contains(&root) {
            self.reads.roots.push(root);
        }
        Ok(root)
    }

    /// Notes that a field or a parameter is read.
    fn reads(&mut self, texts: Texts, name: &str) -> Result<(), String> {
        let names = match texts {
            Texts::Headers if name.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                let meant = name.to_ascii_lowercase();
                return Err(format!(
                    "reads the field `{name}`; hint: names of fields are in lower case: `{meant}`"
                ));
            }
            Texts::Headers if !is_field_name(name) => {
                return Err(format!("reads `{name}`, which is no name of a field"));
            }
            Texts::Headers => &mut self.reads.headers,
            Texts::Query => &mut self.reads.query,
        };
        if !names.iter().any(|own| **own == *name) {
            names.push(name.into());
        }
        Ok(())
    }

    fn select(&mut self, select: &SelectExpr) -> Result<Type, String> {
        let kind = match self.of(&select.operand)? {
            Type::Root(root) => root.member(&select.field, self.parameters)?,
            Type::Texts(texts) => {
                self.reads(texts, &select.field)?;
                Type::Text
            }
            Type::Any => Type::Any,
            other => return Err(format!("asks for `.{}` of {}", select.field, other.as_str())),
        };
        Ok(if select.test { Type::Bool } else { kind })
    }

    fn call(&mut self, call: &CallExpr) -> Result<Type, String> {
        let target = call.target.as_deref();
        let all: Vec<&IdedExpr> = target.into_iter().chain(&call.args).collect();
        let name = call.func_name.as_str();
        if let ("_[_]", [of, key]) = (name, all.as_slice()) {
            return self.index(of, key);
        }
        if let ("@in", [one, of]) = (name, all.as_slice())
            && let Type::Texts(texts) = self.of(of)?
        {
            self.reads(texts, written_out(one, texts)?)?;
            return Ok(Type::Bool);
        }
        let kinds: Vec<Type> = all.iter().map(|one| self.value(one)).collect::<Result<_, _>>()?;
        match (name, kinds.as_slice()) {
            ("_&&_" | "_||_", [one, other]) => {
                expect(*one, Type::Bool, "what stands before `&&` or `||`")?;
                expect(*other, Type::Bool, "what stands behind `&&` or `||`")?;
                Ok(Type::Bool)
            }
            ("!_", [one]) => expect(*one, Type::Bool, "what `!` stands before").map(|()| Type::Bool),
            ("_==_" | "_!=_", [one, other]) => agree(*one, *other).map(|()| Type::Bool),
            ("_<_" | "_<=_" | "_>_" | "_>=_", [one, other]) => {
                agree(*one, *other)?;
                if [Type::List, Type::Bool].contains(one) {
                    return Err(format!("compares {} by size", one.as_str()));
                }
                Ok(Type::Bool)
            }
            ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", [one, other]) => agree(*one, *other).map(|()| *one),
            ("-_", [one]) => expect(*one, Type::Number, "what `-` stands before").map(|()| Type::Number),
            ("_?_:_", [test, one, other]) => {
                expect(*test, Type::Bool, "what stands before `?`")?;
                agree(*one, *other)?;
                Ok(*one)
            }
            ("@in", [_, Type::List | Type::Any]) => Ok(Type::Bool),
            ("size", [Type::Text | Type::List | Type::Any]) => Ok(Type::Number),
            ("startsWith" | "endsWith" | "contains", [one, other]) if target.is_some() => {
                expect(*one, Type::Text, name)?;
                expect(*other, Type::Text, name)?;
                Ok(Type::Bool)
            }
            ("int", [Type::Text | Type::Number | Type::Any]) => Ok(Type::Number),
            ("string", [Type::Text | Type::Number | Type::Bool | Type::Any]) => Ok(Type::Text),
            _ => Err(format!("calls `{name}`, which is not known for what it is given")),
        }
    }

    /// `headers["x"]`.
    fn index(&mut self, of: &IdedExpr, key: &IdedExpr) -> Result<Type, String> {
        let kind = self.value(key)?;
        match self.of(of)? {
            Type::Texts(texts) => {
                self.reads(texts, written_out(key, texts)?)?;
                Ok(Type::Text)
            }
            Type::List => expect(kind, Type::Number, "a place in a list").map(|()| Type::Any),
            Type::Any => Ok(Type::Any),
            Type::Root(root) => match &key.expr {
                Expr::Literal(LiteralValue::String(name)) => root.member(name.inner(), self.parameters),
                _ => Err(format!("looks up in `{0}` by a name that is not written out", root.as_str())),
            },
            other => Err(format!("looks up in {}", other.as_str())),
        }
    }
}

/// A name that is written out: what is read must be known before anybody calls.
fn written_out(key: &IdedExpr, texts: Texts) -> Result<&str, String> {
    match &key.expr {
        Expr::Literal(LiteralValue::String(name)) => Ok(name.inner()),
        _ => Err(format!("looks up in `{}` by a name that is not written out", texts.as_str())),
    }
}

fn expect(found: Type, wanted: Type, what: &str) -> Result<(), String> {
    if found == wanted || found == Type::Any {
        return Ok(());
    }
    Err(format!("takes {} for {}: {what}", found.as_str(), wanted.as_str()))
}

fn agree(one: Type, other: Type) -> Result<(), String> {
    if one == other || one == Type::Any || other == Type::Any {
        return Ok(());
    }
    Err(format!("compares {} with {}", one.as_str(), other.as_str()))
}
