/// The one place that makes names: never one that any graph of the model uses already.
struct NameAuthority: Sendable {
  private var taken: Set<String> = []
  private var counters: [String: Int] = [:]

  /// Marks a name as used.
  mutating func reserve(_ name: String) { taken.insert(name) }

  /// `base` itself when it is free, else `base_1`, `base_2`, …
  mutating func make(_ base: String) -> String {
    if taken.insert(base).inserted { return base }
    var number = counters[base, default: 0]
    while true {
      number += 1
      let candidate = "\(base)_\(number)"
      if taken.insert(candidate).inserted {
        counters[base] = number
        return candidate
      }
    }
  }
}
