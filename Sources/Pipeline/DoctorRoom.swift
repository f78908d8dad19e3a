import ByteIO
import ModelBackend
import ModelStore

extension DoctorPipeline {
  // MARK: Memory and disk

  /// The largest models that people quantize: files of large-v3 in float32.
  private static let usualModelByteCount = 3_900_000_000

  static func room(_ request: DoctorRequest) -> [DoctorReport.Check] {
    var checks: [DoctorReport.Check] = []
    var largest = 0
    var place = "."
    for word in request.models {
      do throws(PipelineError) {
        for target in try ValidateTargets(manifestPath: request.manifestPath).models([word]) {
          if let failure = target.failure { throw failure }
          let model = try LoadedModel(path: target.path, followsLinks: true)
          if let problem = model.problems.first {
            checks.append(DoctorReport.Check("model", .problem, problem, remedy: "get the model again"))
          } else {
            checks.append(
              DoctorReport.Check(
                "model", .good, "\(target.path) is whole: \(model.title), \(megabytes(model.byteCount))"))
          }
          if model.byteCount > largest {
            largest = model.byteCount
            place = folder(of: target.path)
          }
        }
      } catch {
        checks.append(DoctorReport.Check("model", .problem, error.message, cause: error.status))
      }
    }
    return checks + [memory(largest), disk(largest, place)].compactMap { $0 }
  }

  private static func memory(_ modelByteCount: Int) -> DoctorReport.Check {
    let available = MachineMemory.availableByteCount
    let facts = [
      ("installed", megabytes(MachineMemory.totalByteCount)), ("available", megabytes(available)),
    ]
    // ONNX Runtime keeps the weights and, packed for its kernels, once more; quantizing takes next to nothing.
    let needed = 2 * modelByteCount + (1 << 30)
    if modelByteCount > 0, available < needed {
      return DoctorReport.Check(
        "memory", available < modelByteCount ? .problem : .warning,
        "running the largest model with ONNX Runtime takes about \(megabytes(needed)), and \(megabytes(available)) are "
          + "available",
        remedy:
          "run it on the embedded engine (--ep embedded), which leaves weights in their file, or close other "
          + "programs; quantizing needs little memory", facts: facts)
    }
    return DoctorReport.Check(
      "memory", .good, "\(megabytes(available)) of memory are available", facts: facts)
  }

  private static func disk(_ modelByteCount: Int, _ place: String) -> DoctorReport.Check? {
    guard let space = freeSpace(inFolder: place.isEmpty ? "." : place) else { return nil }
    let facts = [("free", megabytes(space.byteCount))]
    let needed = modelByteCount > 0 ? modelByteCount / 2 : usualModelByteCount / 2
    if space.byteCount < needed {
      let what = modelByteCount > 0 ? "the results of the largest model" : "the results of large-v3"
      return DoctorReport.Check(
        "disk", modelByteCount > 0 ? .problem : .warning,
        "\(megabytes(space.byteCount)) of disk are free; \(what) take up to \(megabytes(needed))",
        remedy: "free some space, or write to another disk with --output", facts: facts)
    }
    return DoctorReport.Check("disk", .good, "\(megabytes(space.byteCount)) of disk are free", facts: facts)
  }

  static func megabytes(_ byteCount: Int) -> String {
    // Down, so that nobody counts on memory or disk that is not there.
    let tenths = byteCount / 100_000
    if tenths < 100 { return "\(tenths / 10).\(tenths % 10) MB" }
    return byteCount < 10_000_000_000 ? "\(byteCount / 1_000_000) MB" : "\(byteCount / 1_000_000_000) GB"
  }

  private static func counted(_ number: Int, _ one: String, _ many: String) -> String {
    "\(number) \(number == 1 ? one : many)"
  }

  // MARK: The manifest

  /// Providers that entries of the manifest ask for first.
  static func manifestProviders(_ request: DoctorRequest) -> Set<Provider> {
    let file = ManifestFile(path: request.manifestPath ?? ManifestFile.usualPath)
    guard let manifest = try? file.read() else { return [] }
    let names = manifest.keys.flatMap { (try? manifest.entry($0))?.providers ?? [] }
    return Set(names.compactMap(Provider.init(named:)))
  }

  static func manifest(_ request: DoctorRequest) -> [DoctorReport.Check] {
    let path = request.manifestPath ?? ManifestFile.usualPath
    guard ManifestFile(path: path).exists else {
      return [
        DoctorReport.Check(
          "manifest", request.manifestPath == nil ? .note : .problem, "there is no manifest \(path)",
          remedy: "whisperq manifest add KEY --path MODEL makes one", cause: .inputOutput)
      ]
    }
    do {
      let result = try ManifestCheck.run(manifestPath: path, depth: .quick)
      let errors = result.findings.filter { $0.severity == .error }
      let facts = result.findings.map { finding in
        (finding.severity.rawValue, (finding.key.map { $0 + ": " } ?? "") + finding.message)
      }
      let count = result.keys.count
      if result.findings.isEmpty {
        return [
          DoctorReport.Check(
            "manifest", .good, "\(path) has \(Self.counted(count, "entry", "entries")), all in order")
        ]
      }
      return [
        DoctorReport.Check(
          "manifest", errors.isEmpty ? .warning : .problem,
          "\(path) has \(Self.counted(count, "entry", "entries")), \(Self.counted(errors.count, "error", "errors")) and "
            + Self.counted(result.findings.count - errors.count, "warning", "warnings"),
          remedy: "whisperq manifest check says more", facts: facts)
      ]
    } catch {
      return [DoctorReport.Check("manifest", .problem, error.message)]
    }
  }
}
