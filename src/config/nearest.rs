//! The nearest right name for a wrong one.

/// The name of `known` that `wrong` was most probably meant to be.
///
/// ```
/// use planaria::config::nearest::nearest;
/// assert_eq!(nearest("epoch", ["epochs", "batch"]), Some("epochs"));
/// assert_eq!(nearest("zebra", ["epochs", "batch"]), None);
/// ```
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |name: &str| strsim::damerau_levenshtein(wrong, name);
    let best = known.into_iter().min_by_key(|name| distance(name))?;
    let far = wrong.len().max(best.len()).div_ceil(3);
    (distance(best) <= far).then_some(best)
}

/// `: did you mean ...?`, or all that is known when nothing is near.
pub fn hint<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(wrong, known.clone()) {
        Some(name) => format!(": did you mean `{name}`?"),
        None => {
            let all: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
            format!(": there are {}", all.join(", "))
        }
    }
}
