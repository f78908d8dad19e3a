/// The files beside a model that belong to it, by name.
public enum SidecarNames {
  private static let known: Set<String> = [
    "tokenizer.json", "config.json", "generation_config.json", "preprocessor_config.json", "vocab.json",
    "merges.txt", "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json", "normalizer.json",
    "metadata.json",
  ]

  /// Whether a file is one of them, whatever folder it is in.
  public static func contains(_ name: String) -> Bool {
    if known.contains(name) || name.hasSuffix("-tokens.txt") || name == "tokens.txt" { return true }
    let upper = name.uppercased()
    return upper == "LICENSE" || upper == "LICENCE" || upper.hasPrefix("LICENSE.")
      || upper.hasPrefix("LICENCE.")
  }

  /// Whether a file is a model by its name.
  public static func isModel(_ name: String) -> Bool { name.hasSuffix(".onnx") && name.utf8.count > 5 }
}
