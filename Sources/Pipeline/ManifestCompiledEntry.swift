import ByteIO
import JSONDocuments
import ModelStore

extension ManifestPipeline {
  /// Adds or updates the entry of a compiled model: beside the usual fields the chip and the version of QAIRT that
  /// it is tied to. How it is quantized is told by the model that it was compiled from.
  static func record(
    _ report: CompileReport, source: ModelReference, key: String?
  ) throws(PipelineError) -> Outcome {
    let inspection = try InspectPipeline.run(
      path: report.outputPath, options: InspectOptions(links: .followed))
    let original = try InspectPipeline.run(path: source.path, options: InspectOptions(links: .refused))
    let file = ManifestFile(path: source.manifestPath)
    let paths = ManifestPaths(manifestPath: file.path)
    let stem = fileName(of: report.outputPath).dropLast(report.outputPath.hasSuffix(".onnx") ? 5 : 0)
    let key = key ?? source.entry.map { $0.key + "_compiled" } ?? String(stem)
    var written: [ManifestField: JSON] = [.path: .string(paths.path(for: report.outputPath))]
    for (field, value) in ManifestFacts.fields(of: inspection) { written[field] = value }
    for (field, value) in ManifestFacts.fields(of: original)
    where [.input, .quant, .version].contains(field) {
      written[field] = value
    }
    written[.ep] = .strings(["QNN"])
    written[.soc] = .string(report.chip)
    written[.qairt] = .string(report.qairtVersion)
    if let origin = source.entry {
      written[.source] = .string(origin.key)
      for field in [ManifestField.input, .quant, .version] {
        if let member = origin.members.first(where: { $0.key == field.rawValue }) {
          written[field] = member.value
        }
      }
    }
    let members = ManifestField.allCases.compactMap { field in
      written[field].map { JSONMember(field.rawValue, $0) }
    }
    return try edit(file.path, absence: .isCreated, key: key) { manifest throws(ManifestError) in
      guard manifest.contains(key) else {
        try manifest.add(key, members)
        return .added
      }
      return try set(members, of: key, in: &manifest)
    }
  }
}
