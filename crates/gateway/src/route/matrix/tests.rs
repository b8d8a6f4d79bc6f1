use portcullis_openapi::template::Template;

use super::{MatrixPlaces, are_all};

/// What stands at the places of a path, and whether every bare `;` of it is at one.
fn places(template: &str, declared: &[usize], path: &str) -> (Vec<String>, bool) {
    let template = Template::parse(template).expect("a template");
    let places = MatrixPlaces::new(&template, declared.iter().copied());
    let places = places.map(|places| places.of(path)).unwrap_or_default();
    let texts = places.iter().map(|place| place.of(path).unwrap_or_default().to_owned());
    (texts.collect(), are_all(path, &places))
}

#[test]
fn only_a_declared_parameter_at_its_own_place_is_one() {
    for (template, declared, path, texts, is_covered) in [
        ("/cars/{color}", &[0][..], "/cars/;color=blue", &[";color=blue"][..], true),
        ("/cars/{color}/x", &[0], "/cars/;color=blue/x", &[";color=blue"], true),
        ("/cars{color}", &[0], "/cars;color=blue", &[";color=blue"], true),
        ("/{a}/{b}", &[0, 1], "/;a=1/;b=2", &[";a=1", ";b=2"], true),
        // Neighbours.
        ("/cars/{color}", &[0], "/cars/blue", &[], true),
        ("/{a}/{b}", &[1], "/;a=1/;b=2", &[";b=2"], false),
        ("/{a}/{b}", &[0], "/;a=1/;b=2", &[";a=1"], false),
        ("/cars/{color}", &[], "/cars/;color=blue", &[], false),
        ("/{rest*}", &[0], "/;a=1/;b=2", &[], false),
        ("/{a}/{rest*}", &[0, 1], "/;a=1/;b=2", &[";a=1"], false),
        // Not its template: another path, a slash at the end.
        ("/cars/{color}", &[0], "/bikes/;color=blue", &[], false),
        ("/cars/{color}", &[0], "/cars/;color=blue/", &[], false),
        // Text before the parameter, and a `;` within.
        ("/cars/x{color}", &[0], "/cars/x;color=blue", &[";color=blue"], true),
        ("/cars/x{color}", &[0], "/cars/;color=blue", &[], false),
        ("/cars/{color}", &[0], "/cars/blue;color=blue", &[], true),
    ] {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(places(template, declared, path), (texts, is_covered), "{template} {declared:?} {path}");
    }
}
