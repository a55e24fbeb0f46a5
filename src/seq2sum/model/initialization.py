"""The weights that a training starts from."""

from torch import nn


def initialize(network: nn.Module) -> None:
    """Draws all weights below ``network`` but embedding tables, from the global generator.

    Matrices get Xavier's range (Glorot & Bengio 2010), recurrent ones are orthogonal gate by gate (Saxe et al. 2014).
    """
    for module in network.modules():
        if isinstance(module, nn.RNNBase):
            _initialize_recurrent(module)
        elif not isinstance(module, nn.Embedding):
            for parameter in module.parameters(recurse=False):
                if parameter.dim() > 1:
                    nn.init.xavier_uniform_(parameter)


def _initialize_recurrent(module: nn.RNNBase) -> None:
    num_gates = 4 if isinstance(module, nn.LSTM) else 1
    for name, parameter in module.named_parameters(recurse=False):
        if "bias" in name:
            nn.init.zeros_(parameter)
            if "bias_ih" in name and isinstance(module, nn.LSTM):
                # A forget gate that starts open keeps early memory and gradients alive (Jozefowicz et al. 2015).
                nn.init.ones_(parameter.data.chunk(num_gates)[1])
        elif "weight_hh" in name:
            for gate in parameter.data.chunk(num_gates):
                nn.init.orthogonal_(gate)
        else:
            nn.init.xavier_uniform_(parameter)
