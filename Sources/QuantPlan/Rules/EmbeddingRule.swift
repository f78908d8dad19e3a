import Tensors

/// Gather tables: 8-bit rows, one scale a row. With tied logits, the one table serves both.
///
/// Tables keep 8 bits in the 4-bit scheme too: a row is read once per token, so size is all there is to
/// gain, and token distances suffer first.
struct EmbeddingRule: PlanRule {
  func decide(_ subject: Subject, _ policy: QuantPolicy) -> Decision {
    guard subject.role == .embedding || subject.role == .tiedEmbedding else { return .pass }
    if subject.hasMixedAxes {
      return .leave(why: "it is used both as it is and transposed, so its channels differ by user")
    }
    if !policy.embeddings { return .leave(why: "embeddings are left by the policy") }
    let settings = Settings(subject, policy)
    if subject.role == .embedding || policy.scheme == .dynamicInt8 {
      let treatment = Treatment(
        form: .gatherRows, bits: 8, granularity: .channel, blockSize: nil, symmetric: true,
        range: settings.range == .leastSquares && settings.bits == 4 ? .maximum : settings.range)
      return .quantize(treatment, why: why(subject, "rows are gathered as integers, then scaled"))
    }
    let usesBlocks =
      policy.format == .contrib && settings.granularity == .block
      && subject.reductionCount % settings.blockSize == 0
    let treatment = Treatment(
      form: usesBlocks ? .matMulNBits : .gatherRows, bits: 8, granularity: usesBlocks ? .block : .channel,
      blockSize: usesBlocks ? settings.blockSize : nil, symmetric: true, range: .maximum)
    return .quantize(
      treatment,
      why: why(subject, settings.bits == 4 ? "8 bits for embedding and logits" : "one table for both users"))
  }

  private func why(_ subject: Subject, _ base: String) -> String {
    guard let twin = subject.twin else { return base }
    return "\(base); '\(twin.name)' holds the same numbers and goes"
  }
}
