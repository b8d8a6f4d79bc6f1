//! Every panic of the process is counted. Alone in its executable: the hook is the process's.

use portcullis_gateway::observe::Observe;

#[test]
fn every_panic_is_counted() {
    let observe = Observe::default();
    observe.watch_panics();
    let counted = || {
        let text = observe.metrics_text();
        let line = text.lines().find(|line| line.starts_with("portcullis_panics_total ")).map(str::to_owned);
        line.unwrap_or(text)
    };
    assert_eq!(counted(), "portcullis_panics_total 0");
    assert!(std::thread::spawn(|| panic!("a defect")).join().is_err());
    assert_eq!(counted(), "portcullis_panics_total 1");
}
