//! What a stack trace looks like: shapes that runtimes print and nobody writes by hand.
//!
//! Looked for in texts of answers. Each shape is a line that a runtime puts together, with a place in a source file in it:
//! prose that speaks of errors, exceptions or files is none.
//!
//! - Python: `Traceback (most recent call last)`, and frames `File "…", line 1, in`
//! - Java, Kotlin, Scala: `at package.Class.method(File.java:1)`
//! - .NET: `at Namespace.Class.Method() in File.cs:line 1`
//! - JavaScript: `at function (/path/file.js:1:2)`
//! - Go: `goroutine 1 [running]:`
//! - Ruby: `file.rb:1:in 'method'`
//! - PHP: `Stack trace:` with `#0`, and `PHP Fatal error:`
//! - Rust: `thread 'main' panicked at`
//!
//! # Limits
//! One pass over the text for each shape; of a place at most [`PLACE_BYTES_MAX`] bytes are looked at.

/// Bytes of a frame that are looked at.
const PLACE_BYTES_MAX: usize = 256;

/// Whether a text has a stack trace in it.
pub(super) fn is_in(text: &str) -> bool {
    // Nothing of the kind is shorter.
    if text.len() < 12 {
        return false;
    }
    has_literal(text)
        || has_frame(text)
        || has_python_frame(text)
        || has_ruby_frame(text)
        || has_goroutine(text)
}

fn has_literal(text: &str) -> bool {
    text.contains("Traceback (most recent call last)")
        || text.contains("Traceback <em>(most recent call last)")
        || text.contains("PHP Fatal error:")
        || (text.contains("Stack trace:") && text.contains("#0 "))
        || (text.contains("thread '") && text.contains("' panicked at "))
}

/// `at something(place)`, as machines with frames print them.
fn has_frame(text: &str) -> bool {
    each(text, "at ").any(|(before, rest)| {
        if !before.is_none_or(char::is_whitespace) {
            return false;
        }
        let line = start(rest, PLACE_BYTES_MAX).split(['\n', '\r']).next().unwrap_or_default();
        let in_brackets = line.split_once('(').and_then(|(name, rest)| Some((name, rest.split_once(')')?)));
        match in_brackets {
            Some((name, (place, behind))) => {
                let is_name = !name.trim().is_empty() && is_callee(name.trim());
                is_name && (is_place(place) || is_net_place(behind))
            }
            None => line.split_whitespace().next().is_some_and(is_script_place),
        }
    })
}

/// `package.Class.method`, `async Object.<anonymous>`, `new Thing`.
fn is_callee(name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "._$<>[]:/@#~-, `+'".contains(c);
    name.chars().all(is_part) && name.split_whitespace().count() <= 4
}

/// `File.java:12`, `Native Method`, `/app/file.js:1:2`, `file:///app/x.mjs:1:2`, `node:internal/x:1:2`.
fn is_place(place: &str) -> bool {
    if matches!(place, "Native Method" | "Unknown Source") {
        return true;
    }
    let Some((file, line)) = place.rsplit_once(':') else { return false };
    is_number(line) && (is_source(file) || is_script_place(place))
}

/// ` in C:\src\File.cs:line 12`.
fn is_net_place(behind: &str) -> bool {
    let Some((_, line)) = behind.strip_prefix(" in ").and_then(|place| place.rsplit_once(":line ")) else {
        return false;
    };
    is_number(line.trim_end())
}

/// `/app/file.js:1:2`: a way to a file, a line and a column.
fn is_script_place(place: &str) -> bool {
    let Some((rest, column)) = place.rsplit_once(':') else { return false };
    let Some((file, line)) = rest.rsplit_once(':') else { return false };
    let is_way = file.contains(['/', '\\']) || file.starts_with("node:") || is_source(file);
    is_number(line) && is_number(column) && is_way && !file.contains(char::is_whitespace)
}

/// Whether it is the name of a file with source.
fn is_source(file: &str) -> bool {
    const ENDINGS: [&str; 16] = [
        ".java", ".kt", ".scala", ".groovy", ".clj", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".cs",
        ".vb", ".fs", ".php", ".go",
    ];
    ENDINGS.iter().any(|ending| file.ends_with(ending))
}

/// `File "/app/x.py", line 12, in handler`.
fn has_python_frame(text: &str) -> bool {
    each(text, "File \"").any(|(_, rest)| {
        let frame = start(rest, PLACE_BYTES_MAX).split_once("\", line ");
        let line = frame.and_then(|(_, line)| line.split_once(','));
        line.is_some_and(|(line, behind)| is_number(line) && behind.starts_with(" in "))
    })
}

/// `/app/x.rb:12:in 'handler'`.
fn has_ruby_frame(text: &str) -> bool {
    each(text, ".rb:").any(|(_, rest)| {
        let line = start(rest, PLACE_BYTES_MAX).split_once(":in ");
        line.is_some_and(|(line, behind)| is_number(line) && behind.starts_with(['`', '\'']))
    })
}

/// `goroutine 12 [running]:`.
fn has_goroutine(text: &str) -> bool {
    each(text, "goroutine ").any(|(_, rest)| {
        let number = start(rest, PLACE_BYTES_MAX).split_once(" [");
        number.is_some_and(|(number, state)| {
            is_number(number)
                && state.split_once("]:").is_some_and(|(state, _)| state.chars().all(|c| c != '\n'))
        })
    })
}

/// What stands before and behind each `mark`.
fn each<'t>(text: &'t str, mark: &'t str) -> impl Iterator<Item = (Option<char>, &'t str)> {
    text.match_indices(mark).map(move |(at, _)| {
        let (before, rest) = text.split_at_checked(at).unwrap_or_default();
        (before.chars().next_back(), rest.strip_prefix(mark).unwrap_or_default())
    })
}

/// The first bytes of a text, to a character's end.
fn start(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::is_in;

    #[test]
    fn what_runtimes_print_is_found() {
        for text in [
            "Traceback (most recent call last):\n  File \"/app/x.py\", line 3, in <module>\nValueError: x",
            "  File \"/usr/lib/python3/dist-packages/django/core/handlers/base.py\", line 47, in inner",
            "java.lang.NullPointerException\n\tat com.example.orders.OrderService.find(OrderService.java:42)\n\t... 12 more",
            "oops; at com.example.Foo$Bar.lambda$x$0(Foo.java:7) at com.example.Main.main(Main.java:1)",
            "\tat java.base/jdk.internal.reflect.NativeMethodAccessorImpl.invoke0(Native Method)",
            "   at Shop.Orders.Service.Find(Int32 id) in C:\\build\\src\\Service.cs:line 88",
            "TypeError: x is not a function\n    at Object.<anonymous> (/app/server.js:12:34)\n    at node:internal/main:1:1",
            "    at /app/dist/index.js:10:5",
            "    at async handler (file:///app/handler.mjs:3:9)",
            "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:5",
            "app/models/order.rb:12:in `find'",
            "app/models/order.rb:12:in 'Order.find'",
            "PHP Fatal error:  Uncaught Error",
            "Stack trace:\n#0 /var/www/index.php(3): f()\n#1 {main}",
            "thread 'main' panicked at src/main.rs:2:5:\nboom",
        ] {
            assert!(is_in(text), "{text}");
        }
    }

    #[test]
    fn what_people_write_is_none() {
        for text in [
            "",
            "an error occurred at 12:30 (room 4:15)",
            "The train stops at Berlin (Main station), look at the plan (page 3).",
            "at least (see https://example.com/a.html:8080)",
            "Meet me at the office (2nd floor:12) tomorrow at noon",
            "Exception handling in Java: see OrderService.java, line 42.",
            "see File \"report.pdf\", line 3",
            "goroutine pools [explained]: an article",
            "order.rb is the file; line 12 in it",
            "Stack trace: none",
            "thread 'em together, do not panic",
            "look at main.js for more (or at /app/readme.md)",
            "http://127.0.0.1:8080/path at 10:11:12",
        ] {
            assert!(!is_in(text), "{text}");
        }
    }

    #[test]
    fn a_long_text_is_read_in_one_pass() {
        for piece in ["at ", "at (", "File \"", ".rb:", "goroutine ", "at a("] {
            let text = piece.repeat(20_000);
            assert!(!is_in(&text));
        }
    }
}
