//! How large a value may be.

/// The bounds of one value, each by name. They stand in the coverage report wherever the definition says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How deep arrays and objects nest. A scalar at the root is 0 deep.
    pub depth: usize,
    /// Bytes of one string or name, unescaped.
    pub string: usize,
    /// Elements of one array.
    pub array: usize,
    /// Members of one object.
    pub members: usize,
    /// Digits of one number, those of its exponent among them.
    pub number_digits: usize,
    /// Values in all, names not counted: what bounds the memory of a body made of nothing but `1,1,1`.
    pub values: usize,
}

impl Limits {
    /// What a request may bring where its definition says nothing.
    pub const REQUEST: Self =
        Self { depth: 64, string: 8 * 1024, array: 10_000, members: 512, number_digits: 40, values: 250_000 };

    /// What an answer may bring: strings are longer there.
    pub const RESPONSE: Self = Self { string: 32 * 1024, ..Self::REQUEST };
}

impl Default for Limits {
    fn default() -> Self {
        Self::REQUEST
    }
}
