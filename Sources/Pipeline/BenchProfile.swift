import ByteIO
import FoundationEssentials
import ModelBackend
import ONNXGraph
import OnnxRuntimeBackend
import Tensors
import Whisper

/// Times of operators on the embedded engine, which shows each tensor as soon as it is there: what passes between two
/// of them is the second one's time. Nodes run one by one, without being fused.
struct EmbeddedProfile {
  let times: [OperatorTime]

  init(
    _ session: any InspectableSession, _ model: LoadedModel, _ feeds: [String: TensorContent]
  ) throws(PipelineError) {
    var owners: [String: NodeID] = [:]
    for node in model.graph.allNodes {
      for case let output? in model.graph[node].outputs { owners[model.graph[output].name] = node }
    }
    var totals: [String: (nodes: Set<NodeID>, seconds: Double)] = [:]
    let clock = ContinuousClock()
    var last = clock.now
    do {
      _ = try session.run(feeds, outputs: session.outputs.map(\.name)) { name, _ in
        let now = clock.now
        if let node = owners[name] {
          let title = Self.title(node, model.graph)
          totals[title, default: ([], 0)].seconds += (now - last) / .seconds(1)
          totals[title, default: ([], 0)].nodes.insert(node)
        }
        last = clock.now
      }
    } catch {
      throw PipelineError("\(model.path): \(error.message)", ExitStatus(error.reason))
    }
    times = totals.map {
      OperatorTime(
        name: $0.key, provider: Provider.embedded.runtimeName, nodeCount: $0.value.nodes.count,
        seconds: $0.value.seconds)
    }.sorted { ($0.seconds, $1.name) > ($1.seconds, $0.name) }
  }

  private static func title(_ node: NodeID, _ graph: ModelGraph) -> String {
    let record = graph[node]
    return record.domain.isEmpty ? record.opType : record.domain + "." + record.opType
  }
}

/// Times of operators as ONNX Runtime's own profile has them.
enum RuntimeProfile {
  /// An event of the profile, of which only nodes count.
  private struct Event: Decodable {
    struct Arguments: Decodable {
      let opName: String?
      let provider: String?

      enum CodingKeys: String, CodingKey {
        case opName = "op_name"
        case provider
      }
    }
    let cat: String?
    let name: String?
    let dur: Int?
    let args: Arguments?
  }

  /// Opens the model once more, with profiling, runs it twice and reads the second run.
  static func times(
    _ model: LoadedModel, _ provider: Provider, _ backends: BackendChoice, _ feeds: ModelFeeds
  ) throws(PipelineError) -> [OperatorTime] {
    let folder = FileManager.default.temporaryDirectory.path
    let prefix = joined(folder, "whisperq-profile-\(UInt64.random(in: 0 ... .max))")
    let opened = try backends.open(
      model.graph, path: model.path, order: ProviderOrder([provider, .cpu]), dimensions: feeds.dimensions,
      profilePrefix: prefix)
    guard let session = opened.session as? OnnxRuntimeSession else { return [] }
    let profile: String
    do throws(BackendError) {
      for _ in 0..<runCount { _ = try session.run(feeds.tensors, outputs: session.outputs.map(\.name)) }
      profile = try session.endProfile()
    } catch {
      throw PipelineError("\(model.path): \(error.message)", ExitStatus(error.reason))
    }
    defer { try? removeFile(profile) }
    let bytes: [UInt8]
    do {
      let file = try MappedFile(path: profile)
      bytes = TensorBytes.mapped(file, 0..<file.byteCount).copied()
    } catch {
      throw PipelineError(error)
    }
    return times(bytes)
  }

  /// The first one warms up, but the profile does not tell them apart.
  private static let runCount = 3

  static func times(_ profile: [UInt8]) -> [OperatorTime] {
    guard let events = try? JSONDecoder().decode([Event].self, from: Data(profile)) else { return [] }
    var totals: [String: (provider: String, count: Int, microseconds: Int)] = [:]
    for event in events where event.cat == "Node" && event.name?.hasSuffix("_kernel_time") ?? false {
      guard let name = event.args?.opName, let duration = event.dur else { continue }
      let provider = event.args?.provider ?? ""
      let key = provider + " " + name
      totals[key, default: (provider, 0, 0)].count += 1
      totals[key, default: (provider, 0, 0)].microseconds += duration
    }
    return totals.map { key, total in
      OperatorTime(
        name: String(key.dropFirst(total.provider.count + 1)), provider: total.provider,
        nodeCount: total.count / runCount, seconds: Double(total.microseconds) / 1e6 / Double(runCount))
    }.sorted { ($0.seconds, $1.name) > ($1.seconds, $0.name) }
  }
}
