//! Questions that cannot be searched for by themselves: "and on Sundays?" asks about what was asked before.
//!
//! Told by rules, not by a model: a question leans on the one before it when it has no word of its own, when it begins with a
//! connective or holds a pronoun and little else, or when it is a fragment without a verb that asks. Leaning wrongly costs
//! little, since the question's own words stay in what is searched for.

use crate::Language;
use crate::citations::Terms;

/// Most words of its own of a question that leans by a connective or a pronoun; with more it says what it is about.
const FEW: usize = 3;
/// Longest earlier question in bytes that is taken along; what is longer is a text that was pasted.
const LONGEST: usize = 1 << 10;

const ENGLISH_BEGINNINGS: [&str; 10] =
    ["and ", "or ", "but ", "also ", "what about ", "how about ", "what if ", "then ", "so ", "same for "];
const ENGLISH_PRONOUNS: [&str; 20] = [
    "it", "its", "they", "them", "their", "he", "him", "his", "she", "her", "this", "that", "these", "those", "there",
    "one", "ones", "former", "latter", "same",
];
const ENGLISH_ASKING: [&str; 32] = [
    "what",
    "where",
    "when",
    "who",
    "whom",
    "whose",
    "why",
    "how",
    "which",
    "is",
    "are",
    "was",
    "were",
    "do",
    "does",
    "did",
    "can",
    "could",
    "may",
    "must",
    "should",
    "will",
    "would",
    "has",
    "have",
    "tell",
    "explain",
    "list",
    "describe",
    "show",
    "give",
    "summarize",
];
const CHINESE_BEGINNINGS: [&str; 11] =
    ["那", "还有", "另外", "以及", "而", "如果是", "要是", "换成", "同样", "或者", "再"];
const CHINESE_PRONOUNS: [&str; 11] = ["它", "他", "她", "这个", "那个", "这些", "那些", "该", "其", "此", "前者"];
const CHINESE_ASKING: [&str; 12] = ["什么", "怎", "如何", "几", "多", "哪", "谁", "吗", "是否", "能否", "何", "请"];

/// What to search for when `questions` were asked, oldest first: the last one, behind the one that it leans on.
#[must_use]
pub fn in_context(questions: &[String]) -> String {
    let Some((last, earlier)) = questions.split_last() else { return String::new() };
    if !leans(last) {
        return last.clone();
    }
    let whole = earlier.iter().rev().find(|question| !leans(question)).or(earlier.first());
    match whole.filter(|whole| whole.len() <= LONGEST && whole.trim() != last.trim()) {
        Some(whole) => format!("{} {}", whole.trim(), last.trim()),
        None => last.clone(),
    }
}

fn leans(question: &str) -> bool {
    let terms = Terms::of(question);
    let own = terms.words.len() + terms.numbers.len();
    let question = question.trim().to_lowercase();
    match Language::of(&question) {
        Language::Chinese => leans_in_chinese(&question, own),
        Language::English => leans_in_english(&question, own),
    }
}

fn leans_in_english(question: &str, own: usize) -> bool {
    let words: Vec<&str> = question.split(|letter: char| !letter.is_alphanumeric()).collect();
    let holds = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let refers = ENGLISH_BEGINNINGS.iter().any(|beginning| question.starts_with(beginning)) || holds(&ENGLISH_PRONOUNS);
    own == 0 || own <= FEW && (refers || !holds(&ENGLISH_ASKING))
}

fn leans_in_chinese(question: &str, own: usize) -> bool {
    let refers = CHINESE_BEGINNINGS.iter().any(|beginning| question.starts_with(beginning))
        || CHINESE_PRONOUNS.iter().any(|pronoun| question.contains(pronoun));
    let asks = CHINESE_ASKING.iter().any(|word| question.contains(word));
    let about = question.trim_end_matches(['？', '?', '。']).ends_with('呢');
    own == 0 || own <= FEW && (refers || about || !asks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn searched(questions: &[&str]) -> String {
        in_context(&questions.iter().map(|question| (*question).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_question_that_leans_takes_the_one_before_along() {
        let (opens, leave) = ("When does the library open?", "年假有几天？");
        for last in ["and on Sundays?", "What about public holidays?", "Why?", "Is it free?", "On Sundays?"] {
            assert_eq!(searched(&[opens, last]), format!("{opens} {last}"));
        }
        for last in ["那病假呢？", "试用期员工呢？", "它可以结转吗？", "为什么？", "病假"] {
            assert_eq!(searched(&[leave, last]), format!("{leave} {last}"), "{last}");
        }
        assert_eq!(searched(&[opens, "and on Sundays?", "and at Easter?"]), format!("{opens} and at Easter?"));
    }

    #[test]
    fn a_whole_question_is_searched_for_as_it_is() {
        let opens = "When does the library open?";
        for last in ["How long is the warranty?", "Who approves invoices above 5000?", "保修期多长？", "谁审批发票？"]
        {
            assert_eq!(searched(&[opens, last]), last);
        }
        assert_eq!(searched(&["and on Sundays?"]), "and on Sundays?");
        assert_eq!(searched(&[&"x ".repeat(2000), "Why?"]), "Why?");
    }
}
