use super::{generous, merged};

#[test]
fn a_plain_path_has_one_reading() {
    for path in ["/", "/a/b", "/a%20b/c", "/caf%C3%A9", "/100%25", "/a.b~c/@d:e", "/%E2%9C%93"] {
        assert_eq!(generous(path), None, "{path}");
    }
}

#[test]
fn what_a_generous_backend_folds_is_folded() {
    let cases = [
        ("/admin;x=y/users", "/admin/users"),
        ("/admin%3Bx", "/admin"),
        ("/admin%20", "/admin"),
        ("/%20admin/u", "/admin/u"),
        ("/admin%23x", "/admin"),
        ("/admin%3Fx", "/admin"),
        ("/%EF%BD%81dmin", "/admin"),
        ("/a%E2%93%93min", "/admin"),
        ("/adm%E2%80%8Bin", "/admin"),
        ("/;x", "/"),
    ];
    for (path, read) in cases {
        assert_eq!(generous(path).as_deref(), Some(read), "{path}");
    }
}

#[test]
fn slashes_in_excess_are_merged() {
    for path in ["/", "/a/b", "/a/", "/a%20b"] {
        assert_eq!(merged(path), None, "{path}");
    }
    let cases = [
        ("/a%2Fb", "/a/b"),
        ("/a%2Fb/c/", "/a/b/c/"),
        ("/a//b", "/a/b"),
        ("/a///", "/a/"),
        ("/a%2Fb//c%2Fd", "/a/b/c/d"),
    ];
    for (path, read) in cases {
        assert_eq!(merged(path).as_deref(), Some(read), "{path}");
    }
}
