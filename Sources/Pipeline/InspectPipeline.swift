import ByteIO
import ONNXFile
import ONNXGraph
import Tensors
import Whisper

/// The journey of `whisperq inspect`: read, lift, recognise, count, check.
public enum InspectPipeline {
  /// Inspects one model file.
  ///
  /// Broken external data is reported in `InspectionReport.problems`; a file that is no model, and nodes and
  /// values that make no graph, are errors.
  public static func run(
    path: String, options: InspectOptions = InspectOptions()
  ) throws(PipelineError)
    -> InspectionReport
  {
    let links: LinkPolicy = options.links == .followed ? .follow : .refuse
    let external = ExternalDataFiles(modelPath: path, links: links)
    let file: MappedFile
    let model: ModelProto
    let graph: ModelGraph
    do { file = try MappedFile(path: path) } catch { throw PipelineError(error) }
    do { model = try ModelReader.read(file) } catch { throw PipelineError(error) }
    do {
      graph = try ModelGraph.lift(model, external: external, tensors: .noted)
    } catch {
      throw PipelineError(error)
    }
    let health = DataHealth(model, graph, external: external, links: links)
    let census = NodeCensus(model, graph)
    return InspectionReport(
      path: path,
      modelByteCount: file.byteCount,
      identity: InspectionReport.Identity(WhisperModelDescription.recognise(graph)),
      header: InspectionReport.Header(graph),
      inputs: graph.requiredInputs.map { InspectionReport.Port(graph, $0) },
      outputs: graph[graph.root].outputs.map { InspectionReport.Port(graph, $0) },
      graphs: graph.graphIDs.map { InspectionReport.GraphLine(graph, $0) },
      functions: census.functions,
      operators: census.operators,
      weights: InspectionReport.Weights(graph),
      quantization: InspectionReport.Quantization(graph, census.operators),
      dataFiles: health.files,
      nodes: options.nodes == .included ? InspectionReport.NodeLine.all(graph) : [],
      problems: health.problems,
      notes: health.notes)
  }

  /// Inspects the models that paths or keys of a manifest stand for, in order; a file that cannot be inspected
  /// does not keep the others from it.
  public static func run(
    paths: [String], manifestPath: String? = nil, options: InspectOptions = InspectOptions()
  ) throws(PipelineError) -> (
    reports: [InspectionReport], failures: [PipelineError]
  ) {
    var reports: [InspectionReport] = []
    var failures: [PipelineError] = []
    for word in paths {
      let path: String
      do {
        path = try ModelReference.resolve(word, manifestPath: manifestPath).path
      } catch {
        failures.append(error)
        continue
      }
      for model in try models(at: path) {
        do {
          reports.append(try run(path: model, options: options))
        } catch {
          failures.append(error)
        }
      }
    }
    return (reports, failures)
  }

  /// The models that a path stands for: the file itself, or every `.onnx` file in a folder and below it.
  private static func models(at path: String) throws(PipelineError) -> [String] {
    guard kind(ofPath: path) == .folder else { return [path] }
    return try FolderPipeline.contents(of: path).models.map { joined(path, $0) }
  }
}

extension InspectionReport.Identity {
  init(_ found: WhisperModelDescription) {
    isWhisper = found.isWhisper
    layoutName = found.layout.rawValue
    layoutTitle = found.layout.title
    interfaceName = found.interface.rawValue
    partName = found.part.rawValue
    partTitle = found.part.title
    sizeName = found.size?.name
    sizeAlternatives = found.size?.alternatives ?? []
    hasStaticShapes = found.hasStaticShapes
    openDimensions = found.openDimensions
    melCount = found.dimensions.melCount
    width = found.dimensions.width
    encoderLayerCount = found.dimensions.encoderLayerCount
    decoderLayerCount = found.dimensions.decoderLayerCount
    headCount = found.dimensions.headCount
    headWidth = found.dimensions.headWidth
    vocabularyCount = found.dimensions.vocabularyCount
    selfCacheLength = found.dimensions.selfCacheLength
  }
}

extension InspectionReport.Header {
  init(_ graph: ModelGraph) {
    irVersion = graph.message.irVersion.map { Int(clamping: $0) }
    producer = graph.producer
    modelVersion = graph.message.modelVersion.map { Int(clamping: $0) }
    operatorSets = graph.message.opsetImport.map {
      (NodeCensus.shown(domain: $0.domain), Int(clamping: $0.version ?? 0))
    }
    metadata = graph.metadata
  }
}

extension InspectionReport.Port {
  init(_ graph: ModelGraph, _ value: ValueID) {
    name = graph[value].name
    elementType = graph[value].declaredElementType?.name
    shape = graph.declaredShape(of: value)?.map { dimension in
      switch dimension {
      case .extent(let extent): return .fixed(extent)
      case .symbol(let name): return .named(name)
      case .unknown: return .unknown
      }
    }
  }
}

extension InspectionReport.GraphLine {
  init(_ graph: ModelGraph, _ id: GraphID) {
    name = graph[id].name
    nodeCount = graph[id].nodes.count
    initializerCount = graph[id].initializers.count
    place = graph[id].owner.map { owner in
      let attribute = graph[owner].attributes.first { attribute in
        switch attribute {
        case .plain: return false
        case .graph(_, let inner): return inner == id
        case .graphs(_, let inner): return inner.contains(id)
        }
      }
      return "\(attribute?.name ?? "") of \(graph[owner].opType) '\(graph[owner].name)'"
    }
  }
}

extension InspectionReport.NodeLine {
  static func all(_ graph: ModelGraph) -> [InspectionReport.NodeLine] {
    graph.graphIDs.enumerated().flatMap { index, id in
      graph[id].nodes.map { node in
        let record = graph[node]
        return InspectionReport.NodeLine(
          graphIndex: index, name: record.name, domain: NodeCensus.shown(domain: record.domain),
          operatorName: record.opType, inputs: record.inputs.map { $0.map { graph[$0].name } ?? "" },
          outputs: record.outputs.map { $0.map { graph[$0].name } ?? "" })
      }
    }
  }
}
