import ByteIO
import JSONDocuments
import ModelStore

extension ManifestPipeline {
  /// Adds the entry of a model that was quantized, or updates it: path, quantization, version, size, scheme,
  /// layout and source are written; the providers, the input, the description and the latency target of an entry
  /// that is there stay, and a new one takes them from the entry of the source.
  ///
  /// `output` is the file that was written, and `input` the one that it was made from; the scheme may be any.
  /// `key` is the new entry's; without one it is the source's with `_quantized`, or when the source has none
  /// `otherwise`, or the output's file name.
  public static func record(
    _ output: String, madeFrom input: String, source: ModelReference, key: String? = nil,
    otherwise: String? = nil
  ) throws(PipelineError) -> Outcome {
    let inspection = try InspectPipeline.run(path: output, options: InspectOptions(links: .followed))
    let file = ManifestFile(path: source.manifestPath)
    var origin = source.entry
    if origin == nil { origin = try entry(of: input, in: file) }
    let newKey = key ?? origin.map { quantizedKey($0.key) } ?? otherwise ?? keyFromName(output)
    let paths = ManifestPaths(manifestPath: file.path)
    var written: [ManifestField: JSON] = [.path: .string(paths.path(for: output))]
    for (field, value) in ManifestFacts.fields(of: inspection) { written[field] = value }
    if let version = origin?.version, let quant = written[.quant]?.string {
      written[.version] = .string(
        ManifestFacts.version(ManifestFacts.plainVersion(version), quant: quant))
    }
    if let origin { written[.source] = .string(origin.key) }
    // An entry without digests did not ask for any; those of the file before would be wrong.
    let hasDigests = (try? file.read().entry(newKey)).map { $0.sha256 != nil || !$0.files.isEmpty } ?? false
    let digests = hasDigests ? try digests(of: inspection, followsLinks: true) : []
    return try edit(file.path, absence: .isCreated, key: newKey) { manifest throws(ManifestError) in
      guard manifest.contains(newKey) else {
        try manifest.add(newKey, newEntry(written, origin))
        return .added
      }
      for field in [ManifestField.input, .description] where manifest.has(field, newKey) {
        written[field] = nil
      }
      if hasDigests, !digests.contains(where: { $0.0 == .files }) {
        try manifest.unset(ManifestField.files.rawValue, of: newKey)
      }
      return try set(
        inOrder(written) + digests.map { JSONMember($0.0.rawValue, $0.1) }, of: newKey, in: &manifest)
    }
  }

  /// Says before a model is made of another whether its entry can be written: the manifest must be readable, if it is
  /// there, and the key fit for one, which must not be that of the source.
  public static func checkRecording(_ source: ModelReference, key: String?) throws(PipelineError) {
    let file = ManifestFile(path: source.manifestPath)
    do {
      var manifest = file.exists ? try file.read() : try Manifest(Manifest.emptyText, path: file.path)
      guard let key else { return }
      guard manifest.contains(key) else { return try manifest.add(key, []) }
      let path = try ManifestPaths(manifestPath: file.path).resolve(manifest.entry(key).path)
      guard key != source.entry?.key,
        identity(ofPath: path) == nil || identity(ofPath: path) != identity(ofPath: source.path)
      else {
        throw PipelineError(
          "--manifest-key \(key) is the entry of the source, which would be lost; give the result another key",
          .usage)
      }
    } catch let error as ManifestError {
      throw PipelineError(error)
    } catch let error as PipelineError {
      throw error
    } catch {
      throw PipelineError("\(error)", .internal)
    }
  }

  /// A key for a model of a folder that has no entry: `out_encoder_model` for `encoder/model.onnx` in `out`.
  public static func key(ofModel name: String, in folder: String) -> String {
    let parts = folder.utf8.split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) }
    let stem = name.hasSuffix(".onnx") ? String(name.dropLast(5)) : name
    let words = stem.utf8.split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) }
    return (parts.suffix(1).filter { $0 != "." && $0 != ".." } + words).joined(separator: "_")
  }

  /// `whisper_large_encoder` becomes `whisper_large_encoder_quantized`.
  static func quantizedKey(_ key: String) -> String { key.hasSuffix("_quantized") ? key : key + "_quantized" }

  /// Where the result of a model goes that was named by its key, when no one says: as in the guide,
  /// `models/whisper_large_quantized/whisper_encoder_int8.onnx`.
  public static func usualOutput(of reference: ModelReference, scheme: String) -> String? {
    guard let entry = reference.entry else { return nil }
    let name = PartOfModel(key: entry.key)?.modelName ?? entry.key
    let quant = ManifestFacts.quant(ofScheme: scheme)
    var stem = fileName(of: reference.path)
    if stem.hasSuffix(".onnx") { stem = String(stem.dropLast(5)) }
    for ending in ["_fp32", "_fp16", "-fp32", "-fp16"] where stem.hasSuffix(ending) {
      stem = String(stem.dropLast(ending.count))
    }
    let folder = joined(
      folder(of: reference.manifestPath), name + (name.hasSuffix("_quantized") ? "" : "_quantized"))
    return joined(folder, "\(stem)_\(quant).onnx")
  }

  private static func newEntry(_ written: [ManifestField: JSON], _ origin: ManifestEntry?) -> [JSONMember] {
    var fields = written
    fields[.ep] = .strings(origin.map(\.providers).flatMap { $0.isEmpty ? nil : $0 } ?? ["QNN", "CPU"])
    if let input = origin?.input { fields[.input] = .string(input) }
    if let target = origin?.members.first(where: { $0.key == ManifestField.latencyTarget.rawValue }) {
      fields[.latencyTarget] = target.value
    }
    return inOrder(fields)
  }

  private static func inOrder(_ fields: [ManifestField: JSON]) -> [JSONMember] {
    ManifestField.allCases.compactMap { field in fields[field].map { JSONMember(field.rawValue, $0) } }
  }

  /// The entry whose path leads to a file.
  private static func entry(of path: String, in file: ManifestFile) throws(PipelineError) -> ManifestEntry? {
    guard file.exists, let id = identity(ofPath: path) else { return nil }
    let paths = ManifestPaths(manifestPath: file.path)
    do {
      let manifest = try file.read()
      return manifest.keys.lazy.compactMap { try? manifest.entry($0) }
        .first { identity(ofPath: paths.resolve($0.path)) == id }
    } catch {
      throw PipelineError(error)
    }
  }

  private static func keyFromName(_ path: String) -> String {
    let name = fileName(of: path)
    return name.hasSuffix(".onnx") ? String(name.dropLast(5)) : name
  }
}

extension Manifest {
  fileprivate func has(_ field: ManifestField, _ key: String) -> Bool {
    document.node(at: [key, field.rawValue]) != nil
  }
}
