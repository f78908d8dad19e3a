import ByteIO
import ONNXFile
import ONNXGraph
import Tensors

/// Checks every tensor of a model against its bytes, and every file that the model names.
struct DataHealth {
  private(set) var files: [InspectionReport.DataFile] = []
  private(set) var problems: [String] = []
  private(set) var notes: [String] = []

  /// More sentences of one kind than this say nothing new.
  private static let sentenceLimit = 20

  /// A tensor's bytes in a data file.
  private struct Claim {
    let tensor: String
    let range: Range<Int>
  }

  /// What is known of one data file.
  private struct Usage {
    var file: MappedFile?
    var claims: [Claim] = []
    /// The first error of each kind, with the number of tensors that have it.
    var failures: [(first: ONNXFileError, tensorCount: Int)] = []

    mutating func note(_ error: ONNXFileError) {
      // A lost file fails once for each of its tensors; saying it once is enough.
      if let index = failures.firstIndex(where: { $0.first.isOfSameKind(as: error) }) {
        failures[index].tensorCount += 1
      } else {
        failures.append((error, 1))
      }
    }
  }

  init(_ model: ModelProto, _ graph: ModelGraph, external: ExternalDataFiles, links: LinkPolicy) {
    var usages: [String: Usage] = [:]
    var damaged: [String] = []
    model.forEachTensor { tensor in
      let isExternal = tensor.dataLocation == 1
      let location = tensor.externalData.first { $0.key == "location" }?.value ?? ""
      do throws(ONNXFileError) {
        let content = try TensorContent(tensor, external: external)
        guard isExternal, case .mapped(let file, let range) = content.bytes else { return }
        usages[location, default: Usage()].file = file
        usages[location, default: Usage()].claims.append(Claim(tensor: tensor.name ?? "", range: range))
      } catch {
        if isExternal {
          usages[location, default: Usage()].note(error)
        } else {
          damaged.append(error.message)
        }
      }
    }
    problems = Array(damaged.prefix(Self.sentenceLimit))
    if damaged.count > problems.count {
      problems.append("\(damaged.count - problems.count) more tensors are damaged")
    }
    for (location, file) in external.opened { usages[location]?.file = file }
    for (location, usage) in usages.sorted(by: { $0.key < $1.key }) { report(location, usage) }
    checkPrograms(graph, folder: folder(of: external.modelPath), links: links)
  }

  private mutating func report(_ location: String, _ usage: Usage) {
    for (first, tensorCount) in usage.failures {
      let others = tensorCount == 2 ? "1 other tensor" : "\(tensorCount - 1) other tensors"
      problems.append(first.message + (tensorCount > 1 ? " (so it is for \(others))" : ""))
    }
    let claims = usage.claims.sorted {
      ($0.range.lowerBound, $0.range.upperBound, $0.tensor) < (
        $1.range.lowerBound, $1.range.upperBound, $1.tensor
      )
    }
    var used = 0
    var end = 0
    var overlaps: [(Claim, Claim)] = []
    var farthest: Claim?
    for claim in claims where !claim.range.isEmpty {
      if let farthest, claim.range != farthest.range, claim.range.lowerBound < farthest.range.upperBound {
        overlaps.append((farthest, claim))
      }
      used += max(0, claim.range.upperBound - max(end, claim.range.lowerBound))
      if claim.range.upperBound > end {
        end = claim.range.upperBound
        farthest = claim
      }
    }
    if let (first, second) = overlaps.first {
      let others = overlaps.count > 1 ? ", and \(overlaps.count - 1) more overlaps follow" : ""
      problems.append(
        "\(location): bytes \(second.range.lowerBound) to \(second.range.upperBound) of tensor "
          + "'\(second.tensor)' overlap those of tensor '\(first.tensor)' "
          + "(\(first.range.lowerBound) to \(first.range.upperBound))\(others); export the model again")
    }
    let byteCount = usage.file?.byteCount
    let brokenCount = usage.failures.reduce(0) { $0 + $1.tensorCount }
    // Behind broken tensors "unused" would only mean "unreachable".
    let trailing = brokenCount == 0 ? (byteCount ?? 0) - end : 0
    if trailing > 0 {
      notes.append("\(location): no tensor takes the last \(trailing) bytes; they may be removed")
    }
    files.append(
      InspectionReport.DataFile(
        location: location, kind: .tensors, byteCount: byteCount, usedByteCount: used,
        trailingByteCount: trailing, tensorCount: claims.count + brokenCount, brokenTensorCount: brokenCount))
  }

  /// Looks at the binaries beside a compiled model.
  ///
  /// Source: ONNX Runtime's operator `EPContext`: `embed_mode` 0 means that `ep_cache_context` is a path
  /// relative to the model; only nodes with `main_context` 1 own one.
  private mutating func checkPrograms(_ graph: ModelGraph, folder: String, links: LinkPolicy) {
    var seen: Set<String> = []
    for node in graph.allNodes where graph[node].opType == "EPContext" {
      guard graph.integer("embed_mode", of: node) == 0, graph.integer("main_context", of: node) ?? 1 == 1
      else { continue }
      let location = graph.text("ep_cache_context", of: node) ?? ""
      guard seen.insert(location).inserted else { continue }
      var byteCount: Int?
      do {
        byteCount = try ContainedFile.map(location, in: folder, links: links).byteCount
      } catch {
        problems.append("\(error.message) (the compiled program of node '\(graph.label(of: node))')")
      }
      files.append(
        InspectionReport.DataFile(
          location: location, kind: .compiledProgram, byteCount: byteCount, usedByteCount: byteCount ?? 0,
          trailingByteCount: 0, tensorCount: 0, brokenTensorCount: 0))
    }
  }
}

extension ONNXFileError {
  /// Whether two errors differ only in the tensor that met them.
  fileprivate func isOfSameKind(as other: ONNXFileError) -> Bool {
    switch (reason, other.reason) {
    case (.externalFile(_, let left), .externalFile(_, let right)): return left == right
    case (.externalData, .externalData): return true
    case (.tensor, .tensor): return true
    default: return false
    }
  }
}
