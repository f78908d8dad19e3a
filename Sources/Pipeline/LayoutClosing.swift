import ByteIO
import JSONDocuments
import ModelStore

/// What follows when the files are in their places: the folder for results, and the manifest.
enum LayoutClosing {
  static func finish(
    _ request: LayoutRequest, _ record: LayoutRecord, changed: Set<String>, _ report: inout LayoutReport
  ) throws(PipelineError) {
    let models = request.modelsFolder
    // Copies that a killed run left, and that nobody needs now that the layout is complete.
    if LayoutAssembly.unfinished(in: models).contains(record.name),
      let assembly = try? LayoutAssembly(modelsFolder: models, name: record.name)
    {
      try filing { () throws(ByteIOError) in try assembly.finish() }
    }
    let folderPath = joined(models, record.name + "_onnx")
    try filing { () throws(ByteIOError) in try makeFolders(joined(models, record.name + "_quantized")) }
    if record.files.contains(where: { FileStamp(ofPath: joined(folderPath, $0.path))?.nameCount ?? 1 > 1 }) {
      report.notes.append(
        "files of the layout are hard links to the source; other commands take them with --follow-links, "
          + "and changing one changes the other")
    }
    guard request.manifest == .written else { return }
    let entries = [
      ("encoder", LayoutTargets.encoderModel), ("decoder", LayoutTargets.decoderModel),
      ("all_in_one", LayoutTargets.allInOneModel),
    ]
    for (role, target) in entries {
      guard let file = record[target] else { continue }
      let isChanged = changed.contains {
        $0 == target || dataFiles(of: target, record).map(\.path).contains($0)
      }
      let key = "\(record.name)_\(role)"
      let change = try note(key, file, record, request, isChanged: isChanged)
      report.manifestEntries.append((key, change.rawValue))
    }
  }

  /// Adds the entry of a model; one that is there keeps what a person may have written into it.
  private static func note(
    _ key: String, _ file: LayoutRecord.File, _ record: LayoutRecord, _ request: LayoutRequest,
    isChanged: Bool
  ) throws(PipelineError) -> ManifestChange {
    let folderPath = joined(request.modelsFolder, record.name + "_onnx")
    let manifest = ManifestFile(path: joined(request.modelsFolder, "manifest.json"))
    let modelPath = joined(folderPath, file.path)
    var add = ManifestPipeline.AddRequest(manifestPath: manifest.path, key: key, modelPath: modelPath)
    add.followsLinks = true
    add.fields = fields(of: file, record)
    let isThere: Bool
    do throws(ManifestError) {
      isThere = manifest.exists ? try manifest.read().contains(key) : false
    } catch {
      throw PipelineError(error)
    }
    guard isThere else { return try ManifestPipeline.add(add).change }
    guard isChanged else { return .unchanged }
    let report = try InspectPipeline.run(path: modelPath, options: InspectOptions(links: .followed))
    let facts = ManifestFacts.fields(of: report).filter { $0.0 != .description && $0.0 != .input }
      .map { JSONMember($0.0.rawValue, $0.1) }
    let path = ManifestPaths(manifestPath: manifest.path).path(for: modelPath)
    let members = [JSONMember(ManifestField.path.rawValue, .string(path))] + facts + add.fields
    // What is said of files that the model no longer has would be wrong.
    let unset =
      add.fields.contains { $0.key == ManifestField.files.rawValue } ? [] : [ManifestField.files.rawValue]
    return try ManifestPipeline.set(members, unset: unset, of: key, manifestPath: manifest.path).change
  }

  private static func fields(of file: LayoutRecord.File, _ record: LayoutRecord) -> [JSONMember] {
    var fields = [JSONMember(ManifestField.sha256.rawValue, .string(file.sha256))]
    let data = dataFiles(of: file.path, record)
    if !data.isEmpty {
      let records = data.map {
        ManifestFileRecord(path: fileName(of: $0.path), byteCount: $0.byteCount, sha256: $0.sha256).json
      }
      fields.append(JSONMember(ManifestField.files.rawValue, .array(records)))
    }
    if let source = file.source { fields.append(JSONMember(ManifestField.source.rawValue, .string(source))) }
    return fields
  }

  /// The data files beside a model, by their names.
  static func dataFiles(of model: String, _ record: LayoutRecord) -> [LayoutRecord.File] {
    let stem = model.hasSuffix(".onnx") ? String(model.dropLast(5)) : model
    return record.files.filter { file in
      guard file.path.hasSuffix(".bin"), file.path.hasPrefix(stem) else { return false }
      let rest = file.path.dropFirst(stem.count).dropLast(4)
      return rest.isEmpty || (rest.hasPrefix("_") && Int(rest.dropFirst()) != nil)
    }
  }

  /// The files of a record as lines of a report.
  static func lines(_ record: LayoutRecord, action: LayoutReport.Action) -> [LayoutReport.File] {
    record.files.map { line($0, action: action) }
  }

  static func line(_ file: LayoutRecord.File, action: LayoutReport.Action) -> LayoutReport.File {
    LayoutReport.File(
      path: file.path, action: action, method: nil, byteCount: file.byteCount, sha256: file.sha256,
      part: file.part, source: file.source, origin: file.origin)
  }
}
