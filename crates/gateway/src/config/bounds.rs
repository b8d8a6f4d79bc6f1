//! The `bounds:` settings, made from the table of bounds: each key optional, each within its range.

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::{Bytes, Duration};
use crate::bounds::{BoundRow, BoundValue, Bounds, each_bound};

/// The type a kind of row has in the configuration.
macro_rules! setting_type {
    (size) => {
        Bytes
    };
    (count) => {
        u32
    };
    (time) => {
        Duration
    };
}

/// What a setting means to the running gateway.
macro_rules! setting_value {
    (size $value:expr) => {
        $value.get()
    };
    (count $value:expr) => {
        $value
    };
    (time $value:expr) => {
        $value.get()
    };
}

macro_rules! setting_row_value {
    (size $value:expr) => {
        BoundValue::Size($value.get())
    };
    (count $value:expr) => {
        BoundValue::Count($value)
    };
    (time $value:expr) => {
        BoundValue::Time($value.get())
    };
}

macro_rules! define_settings {
    (
        gateway { $($(#[doc = $about:literal])* $name:ident: $kind:ident = $default:expr, $range:expr;)* }
        operation { $($(#[doc = $about_op:literal])* $name_op:ident: $kind_op:ident = $default_op:expr, $range_op:expr;)* }
    ) => {
        /// What the gateway allows itself and its peers. Each bound is finite and has a default; `portcullis bounds`
        /// prints those in force.
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct BoundsSettings {
            $($(#[doc = $about])* pub $name: Option<setting_type!($kind)>,)*
            $($(#[doc = $about_op])* pub $name_op: Option<setting_type!($kind_op)>,)*
        }

        /// The bounds that an API or operation may set for itself.
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct OperationBoundsSettings {
            $($(#[doc = $about_op])* pub $name_op: Option<setting_type!($kind_op)>,)*
        }

        impl BoundsSettings {
            /// The bounds in force where these settings differ from `general`.
            #[must_use]
            pub fn over(&self, general: &Bounds) -> Bounds {
                let mut bounds = general.clone();
                $(if let Some(value) = self.$name { bounds.$name = setting_value!($kind value); })*
                $(if let Some(value) = self.$name_op { bounds.$name_op = setting_value!($kind_op value); })*
                bounds
            }

            fn set(&self) -> Vec<(&'static str, BoundValue)> {
                let mut set = Vec::new();
                $(if let Some(value) = self.$name { set.push((stringify!($name), setting_row_value!($kind value))); })*
                $(if let Some(value) = self.$name_op { set.push((stringify!($name_op), setting_row_value!($kind_op value))); })*
                set
            }
        }

        impl OperationBoundsSettings {
            /// The bounds in force where these settings differ from `general`.
            #[must_use]
            pub fn over(&self, general: &Bounds) -> Bounds {
                let mut bounds = general.clone();
                $(if let Some(value) = self.$name_op { bounds.$name_op = setting_value!($kind_op value); })*
                bounds
            }

            /// The keys by which these bounds, over the gateway's own, allow more than `inherited` ones do.
            pub fn loosened(&self, inherited: &Bounds, general: &Bounds) -> Vec<&'static str> {
                let own = self.over(general);
                let mut loosened = Vec::new();
                $({
                    let (own, inherited) = (own.$name_op, inherited.$name_op);
                    // A least speed allows more the lower it is; every other bound is a most.
                    let looser = if stringify!($name_op) == "body_rate" { own < inherited } else { own > inherited };
                    if looser {
                        loosened.push(stringify!($name_op));
                    }
                })*
                loosened
            }

            fn set(&self) -> Vec<(&'static str, BoundValue)> {
                let mut set = Vec::new();
                $(if let Some(value) = self.$name_op { set.push((stringify!($name_op), setting_row_value!($kind_op value))); })*
                set
            }
        }
    };
}
each_bound!(define_settings);

/// Settings of bounds whose values can be compared with the table.
pub(super) trait OutOfRange {
    /// The keys whose value is outside the table's range, with what the range is.
    fn out_of_range(&self) -> Vec<(&'static str, String)>;
}

impl OutOfRange for BoundsSettings {
    fn out_of_range(&self) -> Vec<(&'static str, String)> {
        outside(&self.set())
    }
}

impl OutOfRange for OperationBoundsSettings {
    fn out_of_range(&self) -> Vec<(&'static str, String)> {
        outside(&self.set())
    }
}

fn outside(set: &[(&'static str, BoundValue)]) -> Vec<(&'static str, String)> {
    let table = Bounds::table();
    let row = |key: &str| table.iter().find(|row| row.key == key);
    let wrong = |(key, value): &(&'static str, BoundValue)| {
        let BoundRow { least, most, .. } = row(key)?;
        let within = least <= value && value <= most;
        (!within).then(|| (*key, format!("{value} is out of range; hint: from {least} to {most}")))
    };
    set.iter().filter_map(wrong).collect()
}
