//! The types a value may have.

/// A type of JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number without a fraction: 1.0 is one.
    Integer,
    /// Any number.
    Number,
    /// A text.
    String,
    /// A list.
    Array,
    /// An object.
    Object,
}

/// A set of types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Types(u8);

impl Type {
    /// All types, in the order of their names in JSON Schema.
    pub const ALL: [Self; 7] =
        [Self::Null, Self::Boolean, Self::Integer, Self::Number, Self::String, Self::Array, Self::Object];

    /// As JSON Schema writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// The type of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.name() == name)
    }

    fn bit(self) -> u8 {
        match self {
            Self::Null => 1,
            Self::Boolean => 2,
            Self::Integer => 4,
            Self::Number => 8,
            Self::String => 16,
            Self::Array => 32,
            Self::Object => 64,
        }
    }
}

impl Types {
    /// No type.
    pub const NONE: Self = Self(0);
    /// Every type.
    pub const ANY: Self = Self(127);

    /// These and one more.
    #[must_use]
    pub fn with(self, one: Type) -> Self {
        Self(self.0 | one.bit())
    }

    /// These without one.
    #[must_use]
    pub fn without(self, one: Type) -> Self {
        Self(self.0 & !one.bit())
    }

    /// The types that both have; an integer is a number. [`Types::ANY`] changes nothing.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.spread().0 & other.spread().0).gathered().or(Self(self.0 & other.0))
    }

    /// The types that one of both has.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether values of a type may be meant: integers also where numbers are.
    pub fn has(self, one: Type) -> bool {
        self.spread().0 & one.bit() != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them as it is written: `number` alone for a number.
    pub fn iter(self) -> impl Iterator<Item = Type> {
        Type::ALL.into_iter().filter(move |one| self.0 & one.bit() != 0)
    }

    /// With integers where numbers are.
    fn spread(self) -> Self {
        if self.0 & Type::Number.bit() != 0 { self.with(Type::Integer) } else { self }
    }

    fn gathered(self) -> Self {
        if self.0 & Type::Number.bit() != 0 { self.without(Type::Integer) } else { self }
    }
}

impl From<Type> for Types {
    fn from(one: Type) -> Self {
        Self::NONE.with(one)
    }
}

#[cfg(test)]
mod tests {
    use super::{Type, Types};

    #[test]
    fn any_type_and_others_are_the_others() {
        let integer = Types::from(Type::Integer);
        let number = Types::from(Type::Number);
        for types in [Types::ANY, Types::NONE, integer, number, number.with(Type::Integer).with(Type::Null)] {
            assert_eq!(types.and(Types::ANY), types);
            assert_eq!(Types::ANY.and(types), types);
            assert_eq!(types.and(types), types);
        }
    }

    #[test]
    fn an_integer_is_a_number() {
        let (integer, number) = (Types::from(Type::Integer), Types::from(Type::Number));
        assert_eq!(integer.and(number), integer);
        assert_eq!(number.with(Type::Integer).and(number), number);
        assert_eq!(integer.and(Type::String.into()), Types::NONE);
    }
}
