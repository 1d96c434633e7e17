use super::{Message, Template};
use crate::EngineError;

fn render(source: &str, turns: &[(&str, &str)]) -> Result<String, EngineError> {
    let messages: Vec<_> =
        turns.iter().map(|(role, content)| Message { role, content: (*content).to_owned() }).collect();
    Template::compile(source, "<s>".into(), "</s>".into())?.render(&messages)
}

#[test]
fn python_methods_and_token_names_work() {
    let source = "{{ bos_token }}{% for m in messages %}{{ m.role.upper() + ':' + m['content'].strip() }}{% endfor %}{{ eos_token }}";
    assert_eq!(render(source, &[("user", "  hi ")]).unwrap(), "<s>USER:hi</s>");
}

#[test]
fn a_template_may_refuse_a_conversation() {
    let source = "{{ raise_exception('turns must alternate') }}";
    assert_eq!(render(source, &[]).unwrap_err(), EngineError::Template("turns must alternate".into()));
}

#[test]
fn the_date_is_written_in_digits() {
    let text = render("{{ strftime_now('%Y-%m-%d') }}", &[]).unwrap();
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    assert!(text.len() == 10 && text.split('-').all(digits), "{text}");
}

#[test]
fn an_endless_template_runs_out_of_fuel() {
    let source = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    assert!(matches!(render(source, &[]), Err(EngineError::Template(_))));
}

#[test]
fn a_rendering_that_grows_is_stopped() {
    let source = "{% for a in range(9999) %}{{ messages[0].content }}{% endfor %}";
    assert!(matches!(render(source, &[("user", &"x".repeat(10_000))]), Err(EngineError::Template(_))));
}

#[test]
fn markup_is_not_escaped() {
    assert_eq!(render("{{ messages[0].content }}", &[("user", "<a & 'b'>")]).unwrap(), "<a & 'b'>");
}
