/// What passes bring a model to the form that an NPU compiles whole.
public enum StandardPasses {
  /// Passes that make everything fixed and constant: what later ones require.
  public static func groundwork(_ binding: DimensionBinding, opset: Int64) -> PassSequence {
    PassSequence([binding, OpsetRaising(version: opset)])
  }

  /// Passes over a model whose branches are chosen.
  public static func form() -> PassSequence {
    PassSequence([
      ConstantFolding(), DeadCode(), MaskClamp(), LayerNormalizationFusion(), GeluFusion(), NoOpRemoval(),
      ScaleFolding(), LinearForm(), RowForm(), NoOpRemoval(), ConstantFolding(), DeadCode(), ShapeWriting(),
    ])
  }
}
