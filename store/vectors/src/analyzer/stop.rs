//! Words that say nothing about what a question is after.

/// Whether a term of a question is left out of the search, unless the question has no other.
///
/// Passages keep all their terms: what is left out can change without indexing again. Frequent words score low by
/// themselves in large collections; in a small one `what` or `如何` can be rare, and then finds what happens to hold it.
pub(crate) fn is_stop(term: &str) -> bool {
    ENGLISH.contains(&term) || CHINESE.contains(&term)
}

/// English articles, pronouns, prepositions, auxiliaries and question words, as stems.
const ENGLISH: &[&str] = &[
    "a", "about", "all", "am", "an", "and", "ani", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did",
    "do", "doe", "doesnt", "dont", "for", "from", "get", "had", "has", "have", "he", "her", "his", "how", "i", "if",
    "im", "in", "into", "is", "isnt", "it", "me", "my", "no", "not", "of", "on", "or", "our", "pleas", "she", "should",
    "so", "some", "such", "tell", "that", "the", "their", "them", "then", "there", "these", "they", "this", "those",
    "to", "us", "was", "we", "were", "what", "when", "where", "whether", "which", "who", "whom", "whose", "whi",
    "whys", "will", "with", "would", "you", "your", "youv",
];

/// Chinese particles, pronouns, auxiliaries and question words.
const CHINESE: &[&str] = &[
    "的",
    "了",
    "是",
    "在",
    "和",
    "与",
    "及",
    "或",
    "有",
    "吗",
    "呢",
    "吧",
    "啊",
    "我",
    "你",
    "您",
    "他",
    "她",
    "它",
    "我们",
    "你们",
    "他们",
    "它们",
    "这",
    "那",
    "这个",
    "那个",
    "这些",
    "那些",
    "一个",
    "什么",
    "怎么",
    "怎样",
    "怎么样",
    "如何",
    "为什么",
    "为何",
    "哪",
    "哪个",
    "哪些",
    "哪里",
    "谁",
    "几",
    "多少",
    "可以",
    "能",
    "能否",
    "会",
    "要",
    "应",
    "该",
    "应该",
    "请",
    "请问",
    "把",
    "被",
    "对",
    "就",
    "都",
    "也",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_is_listed_by_stems() {
        for word in ["why", "does", "please", "any", "the", "was", "this", "has", "us", "doesn't"] {
            let terms = crate::words(word);
            assert!(terms.iter().all(|term| is_stop(term)), "{word} gives {terms:?}");
        }
    }
}
