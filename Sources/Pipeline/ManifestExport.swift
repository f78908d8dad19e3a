import ModelStore

/// The journey of `whisperq manifest export-config`: the configuration of an application that runs the models.
public enum ManifestExport {
  public enum Format: String, Sendable, CaseIterable { case python, json, yaml, toml }

  /// What an application needs to know.
  public struct Configuration: Sendable {
    public let modelName: String
    /// `encoder_path`, `decoder_path`, ... with paths as the manifest has them.
    public let paths: [(name: String, path: String)]
    /// Full names, in order of preference.
    public let providers: [String]
    /// What was decided on the way, each a sentence.
    public let notes: [String]
  }

  /// Puts entries together. A key may be the name of a model whose parts are entries: `whisper_large_quantized`
  /// stands for `whisper_large_encoder_quantized` and `whisper_large_decoder_quantized`; with no key there must be
  /// one such model.
  public static func configuration(
    manifestPath: String, keys: [String], modelName: String? = nil
  ) throws(PipelineError) -> Configuration {
    let entries: [ManifestEntry]
    do {
      let manifest = try ManifestFile(path: manifestPath).read()
      var chosen: [String] = []
      for key in try keys.isEmpty ? [onlyModel(manifest)] : keys {
        if manifest.contains(key) {
          chosen.append(key)
          continue
        }
        let parts = manifest.keys.filter { PartOfModel(key: $0)?.modelName == key }
        if parts.isEmpty { _ = try manifest.entry(key) }
        chosen += parts
      }
      entries = try chosen.map { key throws(ManifestError) in try manifest.entry(key) }
    } catch let error as ManifestError {
      throw PipelineError(error)
    } catch let error as PipelineError {
      throw error
    } catch {
      throw PipelineError("\(error)", .internal)
    }
    let paths = try paths(entries)
    var notes: [String] = []
    let providers = try providers(entries, &notes)
    let names = entries.map { PartOfModel(key: $0.key)?.modelName ?? $0.key }
    if modelName == nil, let odd = names.first(where: { $0 != names[0] }) {
      notes.append("the parts belong to '\(names[0])' and '\(odd)'; --model-name chooses another name")
    }
    return Configuration(
      modelName: modelName ?? names[0], paths: paths, providers: providers, notes: notes)
  }

  private static func onlyModel(_ manifest: Manifest) throws(PipelineError) -> String {
    let names = manifest.keys.compactMap { PartOfModel(key: $0)?.modelName }
      .reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
    if names.count == 1 { return names[0] }
    let list = names.isEmpty ? "none" : names.joined(separator: ", ")
    throw PipelineError(
      "\(manifest.path): say which model to export; there are \(list), or give keys of entries", .usage)
  }

  /// A name for every path; a decoder of one form is `decoder_path` whatever the form.
  private static func paths(
    _ entries: [ManifestEntry]
  ) throws(PipelineError) -> [(name: String, path: String)] {
    let roles = entries.map { role($0) }
    let decoders = roles.filter { $0.hasPrefix("decoder") }
    var paths: [(name: String, path: String)] = []
    for (entry, role) in zip(entries, roles) {
      let name = role.hasPrefix("decoder") && decoders.count == 1 ? "decoder_path" : "\(role)_path"
      if let other = paths.firstIndex(where: { $0.name == name }) {
        throw PipelineError(
          "'\(entries[other].key)' and '\(entry.key)' would both be \(name); export them one after the other",
          .usage)
      }
      paths.append((name, entry.path))
    }
    let first = ["encoder_path", "decoder_path"].compactMap { name in paths.first { $0.name == name } }
    return first + paths.filter { path in !first.contains { $0.name == path.name } }
  }

  private static func role(_ entry: ManifestEntry) -> String {
    if let part = PartOfModel(key: entry.key) { return part.role }
    let input = entry.input ?? ""
    return input.hasPrefix("audio") ? "encoder" : input == "tokens" ? "decoder" : "model"
  }

  /// The providers that all parts name, in the order of the first.
  private static func providers(
    _ entries: [ManifestEntry], _ notes: inout [String]
  ) throws(PipelineError) -> [String] {
    var common: [String]?
    for entry in entries {
      var full: [String] = []
      for name in entry.providers {
        guard let provider = ProviderNames.full(name) else {
          throw PipelineError(
            "'\(entry.key)': \(name) is no execution provider of ONNX Runtime; correct \"ep\"", .badInput)
        }
        if !full.contains(provider) { full.append(provider) }
      }
      let before = common ?? full
      common = before.filter(full.contains)
      if let common, common.count != before.count || common.count != full.count {
        notes.append("the parts name different providers; only those that all of them name are exported")
      }
    }
    guard let common, !common.isEmpty else {
      throw PipelineError("no execution provider is named by all of the entries; correct \"ep\"", .badInput)
    }
    return common
  }
}

/// What a key says about its model: `whisper_large_encoder_quantized` is the encoder of `whisper_large_quantized`.
struct PartOfModel {
  let modelName: String
  /// `encoder`, `decoder`, `decoder_with_past`, `decoder_merged`, `decoder_init`.
  let role: String

  init?(key: String) {
    var words = key.split(separator: "_", omittingEmptySubsequences: false).map(String.init)
    guard let place = words.firstIndex(where: { $0 == "encoder" || $0 == "decoder" }) else { return nil }
    var role = [words.remove(at: place)]
    let endings = role == ["decoder"] ? [["with", "past"], ["merged"], ["init"]] : [["decoder", "init"]]
    if let ending = endings.first(where: { words[place...].starts(with: $0) }) {
      role += ending
      words.removeSubrange(place..<place + ending.count)
    }
    let name = words.joined(separator: "_")
    if name.isEmpty { return nil }
    modelName = name
    self.role = role.joined(separator: "_")
  }
}
