//! What the table of all layers becomes.

/// Makes [`LayerSpec`] and [`LAYERS`] of the table: a layer's name in configs and its settings.
macro_rules! layers {
    ($($name:literal => $module:ident::$Layer:ident,)*) => {
        /// One layer as a config names it.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum LayerSpec {
            $(
                #[doc = concat!("`", $name, "`, see [`", stringify!($module), "`](mod@", stringify!($module), ").")]
                #[serde(rename = $name)]
                $Layer($module::$Layer),
            )*
        }

        /// The name of every kind of layer.
        pub const LAYERS: &[&str] = &[$($name,)*];

        impl LayerSpec {
            /// The kind's name in configs.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(LayerSpec::$Layer(_) => $name,)*
                }
            }

            /// The smallest sensible layer of every kind, in the order of [`LAYERS`].
            pub fn examples() -> Vec<LayerSpec> {
                vec![$(LayerSpec::$Layer($module::$Layer::example()),)*]
            }

            pub(crate) fn build(&self, net: &mut Builder) -> Result<(), ShapeError> {
                match self {
                    $(LayerSpec::$Layer(layer) => layer.build(net),)*
                }
            }
        }

        $(
            impl From<$module::$Layer> for LayerSpec {
                fn from(layer: $module::$Layer) -> Self {
                    LayerSpec::$Layer(layer)
                }
            }
        )*
    };
}
