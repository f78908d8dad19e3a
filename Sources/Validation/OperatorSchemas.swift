/// What the checker of ONNX asks of the operators of `ai.onnx`.
///
/// Made by `Tests/Oracles/operator_schemas.py` from the schemas of onnx 1.23.2, up to operator set 28.
enum OperatorSchemaText {
  static let newestVersion = 28

  /// A line for each operator and version that changes it: name, version (`-` before it: deprecated), least and most
  /// inputs, least and most outputs (`*`: any number), attributes with their type letter and `!` when required. A
  /// line that begins with `+` goes on with the line above.
  static let lines = """
    Abs 1 1 1 1 1 consumed_inputs:I
    Abs 6 1 1 1 1
    Acos 7 1 1 1 1
    Acosh 9 1 1 1 1
    Add 1 2 2 1 1 axis:i broadcast:i consumed_inputs:I
    Add 6 2 2 1 1 axis:i broadcast:i
    Add 7 2 2 1 1
    AffineGrid 20 2 2 1 1 align_corners:i
    And 1 2 2 1 1 axis:i broadcast:i
    And 7 2 2 1 1
    ArgMax 1 1 1 1 1 axis:i keepdims:i
    ArgMax 12 1 1 1 1 axis:i keepdims:i select_last_index:i
    ArgMin 1 1 1 1 1 axis:i keepdims:i
    ArgMin 12 1 1 1 1 axis:i keepdims:i select_last_index:i
    Asin 7 1 1 1 1
    Asinh 9 1 1 1 1
    Atan 7 1 1 1 1
    Atanh 9 1 1 1 1
    Attention 23 3 6 1 4 is_causal:i kv_num_heads:i q_num_heads:i qk_matmul_output_mode:i scale:f
    + softcap:f softmax_precision:i
    Attention 24 3 7 1 4 is_causal:i kv_num_heads:i q_num_heads:i qk_matmul_output_mode:i scale:f
    + softcap:f softmax_precision:i
    Attention 25 3 7 1 4 is_causal:i kv_num_heads:i left_window_size:i q_num_heads:i
    + qk_matmul_output_mode:i right_window_size:i scale:f softcap:f softmax_precision:i
    AveragePool 1 1 1 1 1 auto_pad:s kernel_shape:I! pads:I strides:I
    AveragePool 7 1 1 1 1 auto_pad:s count_include_pad:i kernel_shape:I! pads:I strides:I
    AveragePool 10 1 1 1 1 auto_pad:s ceil_mode:i count_include_pad:i kernel_shape:I! pads:I strides:I
    AveragePool 19 1 1 1 1 auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape:I! pads:I
    + strides:I
    BatchNormalization 1 5 5 1 5 consumed_inputs:I! epsilon:f is_test:i momentum:f spatial:i
    BatchNormalization 6 5 5 1 5 epsilon:f is_test:i momentum:f spatial:i
    BatchNormalization 7 5 5 1 5 epsilon:f momentum:f spatial:i
    BatchNormalization 9 5 5 1 5 epsilon:f momentum:f
    BatchNormalization 14 5 5 1 3 epsilon:f momentum:f training_mode:i
    Bernoulli 15 1 1 1 1 dtype:i seed:f
    BitCast 26 1 1 1 1 to:i!
    BitShift 11 2 2 1 1 direction:s!
    BitwiseAnd 18 2 2 1 1
    BitwiseNot 18 1 1 1 1
    BitwiseOr 18 2 2 1 1
    BitwiseXor 18 2 2 1 1
    BlackmanWindow 17 1 1 1 1 output_datatype:i periodic:i
    Cast 1 1 1 1 1 to:s!
    Cast 6 1 1 1 1 to:i!
    Cast 19 1 1 1 1 saturate:i to:i!
    Cast 24 1 1 1 1 round_mode:s saturate:i to:i!
    CastLike 15 2 2 1 1
    CastLike 19 2 2 1 1 saturate:i
    CastLike 24 2 2 1 1 round_mode:s saturate:i
    CausalConvWithState 27 2 4 2 2 activation:s
    Ceil 1 1 1 1 1 consumed_inputs:I
    Ceil 6 1 1 1 1
    Celu 12 1 1 1 1 alpha:f
    CenterCropPad 18 2 2 1 1 axes:I
    Clip 1 1 1 1 1 consumed_inputs:I max:f min:f
    Clip 6 1 1 1 1 max:f min:f
    Clip 11 1 3 1 1
    Col2Im 18 3 3 1 1 dilations:I pads:I strides:I
    Compress 9 2 2 1 1 axis:i
    Concat 1 1 * 1 1 axis:i
    Concat 4 1 * 1 1 axis:i!
    ConcatFromSequence 11 1 1 1 1 axis:i! new_axis:i
    Constant 1 0 0 1 1 value:t!
    Constant 11 0 0 1 1 sparse_value:x value:t
    Constant 12 0 0 1 1 sparse_value:x value:t value_float:f value_floats:F value_int:i value_ints:I
    + value_string:s value_strings:S
    ConstantOfShape 9 1 1 1 1 value:t
    Conv 1 2 3 1 1 auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I
    ConvInteger 10 2 4 1 1 auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I
    ConvTranspose 1 2 3 1 1 auto_pad:s dilations:I group:i kernel_shape:I output_padding:I output_shape:I
    + pads:I strides:I
    Cos 7 1 1 1 1
    Cosh 9 1 1 1 1
    CumProd 26 2 2 1 1 exclusive:i reverse:i
    CumSum 11 2 2 1 1 exclusive:i reverse:i
    DFT 17 1 2 1 1 axis:i inverse:i onesided:i
    DFT 20 1 3 1 1 inverse:i onesided:i
    DeformConv 19 3 5 1 1 dilations:I group:i kernel_shape:I offset_group:i pads:I strides:I
    DepthToSpace 1 1 1 1 1 blocksize:i!
    DepthToSpace 11 1 1 1 1 blocksize:i! mode:s
    DequantizeLinear 10 2 3 1 1
    DequantizeLinear 13 2 3 1 1 axis:i
    DequantizeLinear 21 2 3 1 1 axis:i block_size:i
    DequantizeLinear 23 2 3 1 1 axis:i block_size:i output_dtype:i
    Det 11 1 1 1 1
    Div 1 2 2 1 1 axis:i broadcast:i consumed_inputs:I
    Div 6 2 2 1 1 axis:i broadcast:i
    Div 7 2 2 1 1
    Dropout 1 1 1 1 2 consumed_inputs:I is_test:i ratio:f
    Dropout 6 1 1 1 2 is_test:i ratio:f
    Dropout 7 1 1 1 2 ratio:f
    Dropout 12 1 3 1 2 seed:i
    DynamicQuantizeLinear 11 1 1 3 3
    Einsum 12 1 * 1 1 equation:s!
    Elu 1 1 1 1 1 alpha:f consumed_inputs:I
    Elu 6 1 1 1 1 alpha:f
    Equal 1 2 2 1 1 axis:i broadcast:i
    Equal 7 2 2 1 1
    Erf 9 1 1 1 1
    Exp 1 1 1 1 1 consumed_inputs:I
    Exp 6 1 1 1 1
    Expand 8 2 2 1 1
    EyeLike 9 1 1 1 1 dtype:i k:i
    Flatten 1 1 1 1 1 axis:i
    Floor 1 1 1 1 1 consumed_inputs:I
    Floor 6 1 1 1 1
    GRU 1 3 6 2 2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i
    + output_sequence:i
    GRU 3 3 6 0 2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i
    + linear_before_reset:i output_sequence:i
    GRU 7 3 6 0 2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i
    + linear_before_reset:i
    GRU 14 3 6 0 2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i
    + layout:i linear_before_reset:i
    Gather 1 2 2 1 1 axis:i
    GatherElements 11 2 2 1 1 axis:i
    GatherND 11 2 2 1 1
    GatherND 12 2 2 1 1 batch_dims:i
    Gelu 20 1 1 1 1 approximate:s
    Gemm 1 3 3 1 1 alpha:f beta:f broadcast:i transA:i transB:i
    Gemm 7 3 3 1 1 alpha:f beta:f transA:i transB:i
    Gemm 11 2 3 1 1 alpha:f beta:f transA:i transB:i
    GlobalAveragePool 1 1 1 1 1
    GlobalLpPool 1 1 1 1 1 p:f
    GlobalLpPool 2 1 1 1 1 p:i
    GlobalMaxPool 1 1 1 1 1
    Greater 1 2 2 1 1 axis:i broadcast:i
    Greater 7 2 2 1 1
    GreaterOrEqual 12 2 2 1 1
    GridSample 16 2 2 1 1 align_corners:i mode:s padding_mode:s
    GroupNormalization -18 3 3 1 1 epsilon:f num_groups:i!
    GroupNormalization 21 3 3 1 1 epsilon:f num_groups:i! stash_type:i
    HammingWindow 17 1 1 1 1 output_datatype:i periodic:i
    HannWindow 17 1 1 1 1 output_datatype:i periodic:i
    HardSigmoid 1 1 1 1 1 alpha:f beta:f consumed_inputs:I
    HardSigmoid 6 1 1 1 1 alpha:f beta:f
    HardSwish 14 1 1 1 1
    Hardmax 1 1 1 1 1 axis:i
    Identity 1 1 1 1 1
    If 1 1 1 1 * else_branch:g! then_branch:g!
    ImageDecoder 20 1 1 1 1 pixel_format:s
    InstanceNormalization 1 3 3 1 1 consumed_inputs:I epsilon:f
    InstanceNormalization 6 3 3 1 1 epsilon:f
    IsInf 10 1 1 1 1 detect_negative:i detect_positive:i
    IsNaN 9 1 1 1 1
    LRN 1 1 1 1 1 alpha:f beta:f bias:f size:i!
    LSTM 1 3 8 0 3 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i
    + input_forget:i output_sequence:i
    LSTM 7 3 8 0 3 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i
    + input_forget:i
    LSTM 14 3 8 0 3 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i
    + input_forget:i layout:i
    LayerNormalization 17 2 3 1 3 axis:i epsilon:f stash_type:i
    LeakyRelu 1 1 1 1 1 alpha:f consumed_inputs:I
    LeakyRelu 6 1 1 1 1 alpha:f
    Less 1 2 2 1 1 axis:i broadcast:i
    Less 7 2 2 1 1
    LessOrEqual 12 2 2 1 1
    LinearAttention 27 3 6 2 2 chunk_size:i kv_num_heads:i! q_num_heads:i! scale:f update_rule:s
    Log 1 1 1 1 1 consumed_inputs:I
    Log 6 1 1 1 1
    LogSoftmax 1 1 1 1 1 axis:i
    Loop 1 3 * 1 * body:g!
    Loop 11 2 * 1 * body:g!
    LpNormalization 1 1 1 1 1 axis:i p:i
    LpPool 1 1 1 1 1 auto_pad:s kernel_shape:I p:f pads:I strides:I
    LpPool 2 1 1 1 1 auto_pad:s kernel_shape:I! p:i pads:I strides:I
    LpPool 18 1 1 1 1 auto_pad:s ceil_mode:i dilations:I kernel_shape:I! p:i pads:I strides:I
    MatMul 1 2 2 1 1
    MatMulInteger 10 2 4 1 1
    Max 1 1 * 1 1 consumed_inputs:I
    Max 6 1 * 1 1
    MaxPool 1 1 1 1 1 auto_pad:s kernel_shape:I! pads:I strides:I
    MaxPool 8 1 1 1 2 auto_pad:s kernel_shape:I! pads:I storage_order:i strides:I
    MaxPool 10 1 1 1 2 auto_pad:s ceil_mode:i dilations:I kernel_shape:I! pads:I storage_order:i strides:I
    MaxRoiPool 1 2 2 1 1 pooled_shape:I! spatial_scale:f
    MaxUnpool 9 2 3 1 1 kernel_shape:I! pads:I strides:I
    Mean 1 1 * 1 1 consumed_inputs:I
    Mean 6 1 * 1 1
    MeanVarianceNormalization 9 1 1 1 1 axes:I
    MelWeightMatrix 17 5 5 1 1 output_datatype:i
    Min 1 1 * 1 1 consumed_inputs:I
    Min 6 1 * 1 1
    Mish 18 1 1 1 1
    Mod 10 2 2 1 1 fmod:i
    Mul 1 2 2 1 1 axis:i broadcast:i consumed_inputs:I
    Mul 6 2 2 1 1 axis:i broadcast:i
    Mul 7 2 2 1 1
    Multinomial 7 1 1 1 1 dtype:i sample_size:i seed:f
    Neg 1 1 1 1 1 consumed_inputs:I
    Neg 6 1 1 1 1
    NegativeLogLikelihoodLoss 12 2 3 1 1 ignore_index:i reduction:s
    NonMaxSuppression 10 2 5 1 1 center_point_box:i
    NonZero 9 1 1 1 1
    Not 1 1 1 1 1
    OneHot 9 3 3 1 1 axis:i
    Optional 15 0 1 1 1 type:y
    OptionalGetElement 15 1 1 1 1
    OptionalHasElement 15 1 1 1 1
    OptionalHasElement 18 0 1 1 1
    Or 1 2 2 1 1 axis:i broadcast:i
    Or 7 2 2 1 1
    PRelu 1 2 2 1 1 consumed_inputs:I
    PRelu 6 2 2 1 1
    Pad 1 1 1 1 1 mode:s paddings:I! value:f
    Pad 2 1 1 1 1 mode:s pads:I! value:f
    Pad 11 2 3 1 1 mode:s
    Pad 18 2 4 1 1 mode:s
    Pow 1 2 2 1 1 axis:i broadcast:i
    Pow 7 2 2 1 1
    QLinearConv 10 8 9 1 1 auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I
    QLinearMatMul 10 8 8 1 1
    QuantizeLinear 10 2 3 1 1
    QuantizeLinear 13 2 3 1 1 axis:i
    QuantizeLinear 19 2 3 1 1 axis:i saturate:i
    QuantizeLinear 21 2 3 1 1 axis:i block_size:i output_dtype:i saturate:i
    QuantizeLinear 23 2 3 1 1 axis:i block_size:i output_dtype:i precision:i saturate:i
    RMSNormalization 23 2 2 1 1 axis:i epsilon:f stash_type:i
    RNN 1 3 6 0 2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i
    + output_sequence:i
    RNN 7 3 6 0 2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i
    RNN 14 3 6 0 2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i
    + layout:i
    RandomNormal 1 0 0 1 1 dtype:i mean:f scale:f seed:f shape:I!
    RandomNormalLike 1 1 1 1 1 dtype:i mean:f scale:f seed:f
    RandomUniform 1 0 0 1 1 dtype:i high:f low:f seed:f shape:I!
    RandomUniformLike 1 1 1 1 1 dtype:i high:f low:f seed:f
    Range 11 3 3 1 1
    Range 27 3 3 1 1 stash_type:i
    Reciprocal 1 1 1 1 1 consumed_inputs:I
    Reciprocal 6 1 1 1 1
    ReduceL1 1 1 1 1 1 axes:I keepdims:i
    ReduceL1 18 1 2 1 1 keepdims:i noop_with_empty_axes:i
    ReduceL2 1 1 1 1 1 axes:I keepdims:i
    ReduceL2 18 1 2 1 1 keepdims:i noop_with_empty_axes:i
    ReduceLogSum 1 1 1 1 1 axes:I keepdims:i
    ReduceLogSum 18 1 2 1 1 keepdims:i noop_with_empty_axes:i
    ReduceLogSumExp 1 1 1 1 1 axes:I keepdims:i
    ReduceLogSumExp 18 1 2 1 1 keepdims:i noop_with_empty_axes:i
    ReduceMax 1 1 1 1 1 axes:I keepdims:i
    ReduceMax 18 1 2 1 1 keepdims:i noop_with_empty_axes:i
    ReduceMean 1 1 1 1 1 axes:I keepdims:i
    ReduceMean 18 1 2 1 1 keepdims:i noop_with_empty_axes:i
    ReduceMin 1 1 1 1 1 axes:I keepdims:i
    ReduceMin 18 1 2 1 1 keepdims:i noop_with_empty_axes:i
    ReduceProd 1 1 1 1 1 axes:I keepdims:i
    ReduceProd 18 1 2 1 1 keepdims:i noop_with_empty_axes:i
    ReduceSum 1 1 1 1 1 axes:I keepdims:i
    ReduceSum 13 1 2 1 1 keepdims:i noop_with_empty_axes:i
    ReduceSumSquare 1 1 1 1 1 axes:I keepdims:i
    ReduceSumSquare 18 1 2 1 1 keepdims:i noop_with_empty_axes:i
    RegexFullMatch 20 1 1 1 1 pattern:s
    Relu 1 1 1 1 1 consumed_inputs:I
    Relu 6 1 1 1 1
    Reshape 1 1 1 1 1 consumed_inputs:I shape:I
    Reshape 5 2 2 1 1
    Reshape 14 2 2 1 1 allowzero:i
    Resize 10 2 2 1 1 mode:s
    Resize 11 3 4 1 1 coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i
    + extrapolation_value:f mode:s nearest_mode:s
    Resize 13 1 4 1 1 coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i
    + extrapolation_value:f mode:s nearest_mode:s
    Resize 18 1 4 1 1 antialias:i axes:I coordinate_transformation_mode:s cubic_coeff_a:f
    + exclude_outside:i extrapolation_value:f keep_aspect_ratio_policy:s mode:s nearest_mode:s
    ReverseSequence 10 2 2 1 1 batch_axis:i time_axis:i
    RoiAlign 10 3 3 1 1 mode:s output_height:i output_width:i sampling_ratio:i spatial_scale:f
    RoiAlign 16 3 3 1 1 coordinate_transformation_mode:s mode:s output_height:i output_width:i
    + sampling_ratio:i spatial_scale:f
    RotaryEmbedding 23 3 4 1 1 interleaved:i num_heads:i rotary_embedding_dim:i
    Round 11 1 1 1 1
    STFT 17 2 4 1 1 onesided:i
    Scan 8 2 * 1 * body:g! directions:I num_scan_inputs:i!
    Scan 9 1 * 1 * body:g! num_scan_inputs:i! scan_input_axes:I scan_input_directions:I scan_output_axes:I
    + scan_output_directions:I
    Scatter 9 3 3 1 1 axis:i
    Scatter -11 3 3 1 1 axis:i
    ScatterElements 11 3 3 1 1 axis:i
    ScatterElements 16 3 3 1 1 axis:i reduction:s
    ScatterND 11 3 3 1 1
    ScatterND 16 3 3 1 1 reduction:s
    Selu 1 1 1 1 1 alpha:f consumed_inputs:I gamma:f
    Selu 6 1 1 1 1 alpha:f gamma:f
    SequenceAt 11 2 2 1 1
    SequenceConstruct 11 1 * 1 1
    SequenceEmpty 11 0 0 1 1 dtype:i
    SequenceErase 11 1 2 1 1
    SequenceInsert 11 2 3 1 1
    SequenceLength 11 1 1 1 1
    SequenceMap 17 1 * 1 * body:g!
    Shape 1 1 1 1 1
    Shape 15 1 1 1 1 end:i start:i
    Shrink 9 1 1 1 1 bias:f lambd:f
    Sigmoid 1 1 1 1 1 consumed_inputs:I
    Sigmoid 6 1 1 1 1
    Sign 9 1 1 1 1
    Sin 7 1 1 1 1
    Sinh 9 1 1 1 1
    Size 1 1 1 1 1
    Slice 1 1 1 1 1 axes:I ends:I! starts:I!
    Slice 10 3 5 1 1
    Softmax 1 1 1 1 1 axis:i
    SoftmaxCrossEntropyLoss 12 2 3 1 2 ignore_index:i reduction:s
    Softplus 1 1 1 1 1
    Softsign 1 1 1 1 1
    SpaceToDepth 1 1 1 1 1 blocksize:i!
    SpaceToDepth 28 1 1 1 1 blocksize:i! mode:s
    Split 1 1 2 1 * axis:i split:I
    Split 2 1 1 1 * axis:i split:I
    Split 13 1 2 1 * axis:i
    Split 18 1 2 1 * axis:i num_outputs:i
    SplitToSequence 11 1 2 1 1 axis:i keepdims:i
    Sqrt 1 1 1 1 1 consumed_inputs:I
    Sqrt 6 1 1 1 1
    Squeeze 1 1 1 1 1 axes:I
    Squeeze 13 1 2 1 1
    StringConcat 20 2 2 1 1
    StringNormalizer 10 1 1 1 1 case_change_action:s is_case_sensitive:i locale:s stopwords:S
    StringSplit 20 1 1 2 2 delimiter:s maxsplit:i
    Sub 1 2 2 1 1 axis:i broadcast:i consumed_inputs:I
    Sub 6 2 2 1 1 axis:i broadcast:i
    Sub 7 2 2 1 1
    Sum 1 1 * 1 1 consumed_inputs:I
    Sum 6 1 * 1 1
    SwiGLU 28 2 2 1 1 alpha:f
    Swish 24 1 1 1 1 alpha:f
    Tan 7 1 1 1 1
    Tanh 1 1 1 1 1 consumed_inputs:I
    Tanh 6 1 1 1 1
    TensorScatter 24 2 3 1 1 axis:i mode:s
    TfIdfVectorizer 9 1 1 1 1 max_gram_length:i! max_skip_count:i! min_gram_length:i! mode:s!
    + ngram_counts:I! ngram_indexes:I! pool_int64s:I pool_strings:S weights:F
    ThresholdedRelu 10 1 1 1 1 alpha:f
    Tile 1 3 3 1 1
    Tile 6 2 2 1 1
    TopK 1 1 1 2 2 axis:i k:i!
    TopK 10 2 2 2 2 axis:i
    TopK 11 2 2 2 2 axis:i largest:i sorted:i
    Transpose 1 1 1 1 1 perm:I
    Trilu 14 1 2 1 1 upper:i
    Unique 11 1 1 1 4 axis:i sorted:i
    Unsqueeze 1 1 1 1 1 axes:I!
    Unsqueeze 13 2 2 1 1
    Upsample 1 1 1 1 1 height_scale:f! mode:s width_scale:f!
    Upsample 7 1 1 1 1 mode:s scales:F!
    Upsample 9 2 2 1 1 mode:s
    Upsample -10 2 2 1 1 mode:s
    Where 9 3 3 1 1
    Xor 1 2 2 1 1 axis:i broadcast:i
    Xor 7 2 2 1 1
    """
}
